package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// nested is an object with so many levels.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
}

func TestASecretsValueIsBounded(t *testing.T) {
	t.Parallel()
	long := func(size int) string { return `{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}` }
	laughs := "a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n"
	for _, letter := range "bcdefghi" {
		laughs += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", letter, letter,
			letter-1, letter-1, letter-1, letter-1, letter-1, letter-1, letter-1, letter-1, letter-1)
	}
	for name, c := range map[string]struct {
		value string
		want  error
	}{
		"as large as may be":              {long(maxSecretValue), nil},
		"a byte larger":                   {long(maxSecretValue + 1), errSecretTooLarge},
		"as deep as may be":               {nested(maxSecretNesting), nil},
		"a level deeper":                  {nested(maxSecretNesting + 1), errSecretTooDeep},
		"a list a level deeper":           {"a: " + strings.Repeat("[", maxSecretNesting) + strings.Repeat("]", maxSecretNesting), errSecretTooDeep},
		"nothing but brackets":            {strings.Repeat("[", maxSecretValue), errSecretNotObject},
		"a billion laughs":                {laughs, errSecretAliases},
		"aliases of a long string":        {"a: &a " + strings.Repeat("x", 60000) + "\nb: [" + strings.Repeat("*a,", 20000) + "]\n", errSecretAliases},
		"an object that contains itself":  {"a: &a\n  b: *a\n", errSecretAliases},
		"a merge key":                     {"a: &a {b: 1}\nc:\n  <<: *a\n", errSecretAliases},
		"an anchor that nobody refers to": {"a: &a 1\n", nil},
		"two documents":                   {"a: 1\n---\na: 2\n", errSecretDocuments},
		"rubbish after a document":        {"a: 1\n---\n{", errSecretDocuments},
		"one document with its marks":     {"---\na: 1\n...\n", nil},
		"a certificate in it":             {"a: |\n  -----BEGIN CERTIFICATE-----\n  x\n  -----END CERTIFICATE-----\n", nil},
		"a number that JSON has not":      {"a: .nan\n", errSecretNotObject},
		"a key that is a list":            {"? [a]\n: 1\n", errSecretNotObject},
		"bytes that are no text":          {"a: \xff\xfe\n", errSecretNotObject},
		"the host":                        {"providerID: remote-machine://192.0.2.7:22\n", errSecretNamesHost},
		"no host":                         {"providerID: null\n", nil},
		"a control character":             {"a: \x00\n", errSecretNotObject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object, err := secretObject([]byte(c.value))
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if _, jsonErr := json.Marshal(object); err == nil && jsonErr != nil {
				t.Errorf("not JSON: %v", jsonErr)
			}
		})
	}
}

// FuzzSecretValue looks for values that grow, or that an error repeats.
func FuzzSecretValue(f *testing.F) {
	for _, seed := range []string{
		"user: root\n", `{"user":"root"}`, "a: &a [x,x]\nb: [*a,*a]\n", "a: 1\n---\nb: 2\n", "? {a: b}\n: c\n",
		"<<: {a: 1}\n", "a: !!binary aGVsbG8=\n", "a: 2001-12-14t21:59:43.10-05:00\n", "a: 0o7\nb: 1e400\n", "{", nested(80), "a: .inf\n", "%YAML 1.2\n---\na: b\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		object, err := secretObject(value)
		if err != nil {
			for _, known := range secretRules {
				if errors.Is(err, known) {
					return
				}
			}
			t.Fatalf("an error that may quote the value: %v", err)
		}
		document, err := json.Marshal(object)
		if err != nil {
			t.Fatalf("an object that cannot be written: %v", err)
		}
		// A character may be written as six, and each entry gets quotes and a comma.
		if len(document) > 16*len(value)+16 {
			t.Errorf("%d bytes became %d", len(value), len(document))
		}
		built, err := BuildProviderObject(scheduledMachine(), v1alpha1.ProviderObject{
			Kind: "RemoteMachine", Spec: &runtime.RawExtension{Raw: []byte(`{"a":{"b":[1]}}`)}, SecretRef: &v1alpha1.SecretReference{Name: "ssh"},
		}, value)
		if err != nil {
			t.Fatalf("an object that does not merge: %v", err)
		}
		if _, err := built.MarshalJSON(); err != nil {
			t.Errorf("an object that cannot be sent: %v", err)
		}
	})
}

func TestProblemsWithASecretNameTheField(t *testing.T) {
	t.Parallel()
	both := func(sm *v1alpha1.ScheduledMachine) *v1alpha1.ScheduledMachine {
		sm.Spec.BootstrapSpec.SecretRef = &v1alpha1.SecretReference{Name: "ssh"}
		return withSecretRef(sm)
	}
	for name, c := range map[string]struct {
		value string
		say   string
	}{
		"too large":     {strings.Repeat("x", maxSecretValue+1), `key "spec" of Secret "ssh" must have at most 131072 bytes`},
		"too deep":      {nested(maxSecretNesting + 1), `key "spec" of Secret "ssh" must have at most 64 levels`},
		"aliases":       {"a: &a 1\nb: *a", `key "spec" of Secret "ssh" must not use YAML aliases`},
		"two documents": {"a: 1\n---\n", `key "spec" of Secret "ssh" must be one YAML document`},
		"no object":     {password, `key "spec" of Secret "ssh" must be a YAML or JSON object`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, secret(allowed(), c.value))
			wantProblem(t, w.ensure(t, withSecretRef(scheduledMachine())).Problem, v1alpha1.SecretInvalidReason, "spec.infrastructureSpec.secretRef: "+c.say)
			wantProblem(t, w.ensure(t, both(scheduledMachine())).Problem, v1alpha1.SecretInvalidReason, "spec.bootstrapSpec.secretRef: "+c.say)
		})
	}
	t.Run("without the label", func(t *testing.T) {
		t.Parallel()
		wantProblem(t, newWorld(t, secret(nil, "a: 1")).ensure(t, withSecretRef(scheduledMachine())).Problem, v1alpha1.SecretNotAllowedReason, "spec.infrastructureSpec.secretRef: ")
	})
	t.Run("without the Secret", func(t *testing.T) {
		t.Parallel()
		wantProblem(t, newWorld(t).ensure(t, withSecretRef(scheduledMachine())).Problem, v1alpha1.SecretNotFoundReason, "spec.infrastructureSpec.secretRef: ")
	})
}

// An object that no Machine has taken yet is as old as the attempt that made it, which
// can be days. The Machine must not join with what a Secret held then.
func TestAPartThatWaitsForItsMachineFollowsItsSecret(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*testing.T, *world)
		renewed bool
		problem string
	}{
		"that did not change": {change: func(*testing.T, *world) {}},
		"that changed": {change: func(t *testing.T, w *world) {
			t.Helper()
			now := secret(allowed(), "user: renewed")
			if err := w.Update(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}, renewed: true},
		"that was deleted": {change: func(t *testing.T, w *world) {
			t.Helper()
			if err := w.Delete(t.Context(), secret(nil, "")); err != nil {
				t.Fatal(err)
			}
		}, problem: v1alpha1.SecretNotFoundReason},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, sm := newWorld(t, secret(allowed(), "user: first")), withSecretRef(scheduledMachine())
			w.before = failing("create Machine", apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("machines").GroupResource(), smName, errors.New("exceeded quota")))
			w.ensure(t, sm)
			before := w.read(t, remoteKind).GetUID()
			c.change(t, w)
			w.before = nil

			result := w.ensure(t, sm)
			if c.problem != "" {
				wantProblem(t, result.Problem, c.problem, "spec.infrastructureSpec.secretRef")
				return
			}
			if c.renewed {
				if result.Waiting == "" || w.read(t, remoteKind) != nil {
					t.Fatalf("the older object stays: %+v", result)
				}
				result = w.ensure(t, sm)
			}
			now := w.read(t, remoteKind)
			if !result.Done() || (now.GetUID() != before) != c.renewed {
				t.Errorf("UID %s, before %s; %+v", now.GetUID(), before, result)
			}
			if again := w.ensure(t, sm); !again.Done() || again.Changed {
				t.Errorf("once more: %+v", again)
			}
		})
	}
}

// With its Machine it stays, whatever becomes of the Secret: to make it anew would set up
// a host a second time.
func TestAPartWithItsMachineDoesNotFollowItsSecret(t *testing.T) {
	t.Parallel()
	w, sm := newWorld(t, secret(allowed(), "user: first")), withSecretRef(scheduledMachine())
	w.ensure(t, sm)
	if err := w.Delete(t.Context(), secret(nil, "")); err != nil {
		t.Fatal(err)
	}
	before := w.read(t, remoteKind).GetUID()
	if result := w.ensure(t, sm); !result.Done() || result.Changed || w.read(t, remoteKind).GetUID() != before {
		t.Errorf("Ensure: %+v", result)
	}
}

// The object tells of the Secret no more than a number that anybody may know.
func TestAnObjectTellsTheVersionOfItsSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secret(allowed(), "user: root"))
	w.ensure(t, withSecretRef(scheduledMachine()))
	var stored metav1.PartialObjectMetadata
	stored.SetGroupVersionKind(gvkOf(secret(nil, "")))
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(secret(nil, "")), &stored); err != nil {
		t.Fatal(err)
	}
	for gvk, want := range map[string]string{remoteKind.Kind: stored.ResourceVersion, configKind.Kind: ""} {
		kind := remoteKind
		if gvk == configKind.Kind {
			kind = configKind
		}
		if got := w.read(t, kind).GetAnnotations()[v1alpha1.SecretVersionAnnotation]; got != want {
			t.Errorf("%s: version %q, want %q", gvk, got, want)
		}
	}
}

func TestErrorsThatMayHoldAnAnswerAreNotShown(t *testing.T) {
	t.Parallel()
	unreachable := &url.Error{Op: "Post", URL: "https://192.0.2.1/apis", Err: errors.New("connection refused")}
	for name, c := range map[string]struct {
		err   error
		shown string
	}{
		"an answer that cannot be decoded": {errors.New(`Object 'Kind' is missing in {"password":"` + password + `"}`), ""},
		"a server that is not there":       {unreachable, "connection refused"},
		"a deadline":                       {fmt.Errorf("client rate limiter: %w", context.DeadlineExceeded), "client rate limiter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, secret(allowed(), "password: "+password))
			w.before = failing("create RemoteMachine", c.err)
			_, err := w.objects.Ensure(t.Context(), withSecretRef(scheduledMachine()), cluster())
			if err == nil || strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), c.shown) {
				t.Errorf("error %v", err)
			}
			if errors.Is(c.err, context.DeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error lost its kind: %v", err)
			}
		})
	}
}

type heard struct{ bytes.Buffer }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (h *heard) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	h.WriteString(text)
}

func TestWarningsAreNotRepeatedWhereASecretTookPart(t *testing.T) {
	t.Parallel()
	listener := &heard{}
	handler := QuietAboutSecrets(listener)
	handler.HandleWarningHeaderWithContext(t.Context(), 299, "-", "deprecated")
	handler.HandleWarningHeaderWithContext(withSecret(t.Context()), 299, "-", "weak "+password)
	if got := listener.String(); !strings.HasPrefix(got, "deprecated") || strings.Contains(got, password) || !strings.Contains(got, "not shown") {
		t.Errorf("heard %q", got)
	}
}

// A Secret's request is marked, and no other.
func TestOnlyRequestsWithASecretAreMarked(t *testing.T) {
	t.Parallel()
	marked := map[string]bool{}
	w := newWorld(t, secret(allowed(), "a: 1"))
	w.seen = func(ctx context.Context, call string) { marked[call] = ctx.Value(secretKeyType{}) != nil }
	w.ensure(t, withSecretRef(scheduledMachine()))
	for call, want := range map[string]bool{"create RemoteMachine": true, "create K0sWorkerConfig": false, "create Machine": false} {
		if got, ok := marked[call]; !ok || got != want {
			t.Errorf("%s: marked %v, made %v, want %v", call, got, ok, want)
		}
	}
}
