package machine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
)

// FuzzMergedSpec compares with RFC 7386 as it is written, and looks for the Secret in what
// is said of one that does not fit.
func FuzzMergedSpec(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"address":"10.0.0.7","user":"root"}`, "user: five\npassword: s3cret"},
		{`{"a":{"b":1,"c":[1,2]}}`, `{"a":{"b":null,"c":[3]},"d":{"e":null}}`},
		{`{}`, `null`},
		{`{}`, ``},
		{`{}`, `[1]`},
		{`{}`, "a: 1\na: 2"},
		{`{}`, "\tx"},
		{`[]`, `{}`},
		{`{"a":1e999}`, `{}`},
		{`{"a":12345678901234567890}`, `{"a":{"b":null}}`},
		{`{"a":1}`, `{"a":{"b":{"c":null}}}`},
		{`{}`, "&a [*a]"},
		{`{}`, "1: 2"},
		{`{"a":[{"b":null}]}`, `{"a":[{"b":null}]}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, spec, secret []byte) {
		provider := v1alpha1.ProviderObject{
			APIVersion: "infrastructure.cluster.x-k8s.io/v1beta1", Kind: "RemoteMachine",
			Spec: &runtime.RawExtension{Raw: spec}, SecretRef: &v1alpha1.SecretReference{Name: "x"},
		}
		sm := &v1alpha1.ScheduledMachine{}
		built, err := BuildProviderObject(sm, provider, secret)
		if err != nil {
			// The only words are ours, whatever is in the Secret.
			if !slices.ContainsFunc(append(secretRules, errSpecNotObject), func(rule error) bool { return strings.HasSuffix(err.Error(), rule.Error()) }) {
				t.Errorf("the error may quote: %v", err)
			}
			return
		}
		var target, patch any
		patchJSON, err := yaml.YAMLToJSON(secret)
		if err != nil || json.Unmarshal(patchJSON, &patch) != nil {
			t.Fatalf("%q was merged", secret)
		}
		if len(bytes.TrimSpace(spec)) == 0 {
			spec = []byte("{}")
		}
		if err := json.Unmarshal(spec, &target); err != nil {
			t.Fatalf("%q was merged into", spec)
		}
		want, got := asJSON(t, patched(target, patch)), asJSON(t, built.Object["spec"])
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s over %s is %v, not %v", patchJSON, spec, got, want)
		}
	})
}

// patched is the pseudo-code of RFC 7386.
func patched(target, patch any) any {
	fields, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, value := range fields {
		if value == nil {
			delete(object, name)
		} else {
			object[name] = patched(object[name], value)
		}
	}
	return object
}

// asJSON is a value as every JSON parser sees it.
func asJSON(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// FuzzQuoted holds that whatever is quoted stays on one line, bounded and printable.
func FuzzQuoted(f *testing.F) {
	for _, seed := range []string{"", "plain", "two\nlines", "\x1b[31mred", "\u202edlrow", "\xff\xfe", strings.Repeat("ü", 300), "a\"b\\c", "\u2028", "🖥"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := quoted(text)
		// An escaped character takes up to ten, and there are two quotes and an ellipsis.
		if utf8.RuneCountInString(got) > 10*maxQuotedError+3 || !utf8.ValidString(got) {
			t.Errorf("%q is quoted as %q", text, got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x2028 && r <= 0x202e }); i >= 0 {
			t.Errorf("%q is quoted with a control character: %q", text, got)
		}
		if got := bounded(text); utf8.RuneCountInString(got) > maxQuotedValue+1 {
			t.Errorf("%q is bounded to %q", text, got)
		}
	})
}

// FuzzObserve reads Machines as others write them.
func FuzzObserve(f *testing.F) {
	sm := &v1alpha1.ScheduledMachine{}
	sm.Name, sm.Namespace, sm.UID = "desk-7", "bank", "sm-uid"
	mine := `{"metadata":{"name":"desk-7","namespace":"bank","uid":"m","annotations":{%q:%q},"ownerReferences":[{"uid":"sm-uid","controller":true,"kind":"ScheduledMachine","name":"desk-7","apiVersion":"5spot.finos.org/v1alpha1"}]},"status":%s}`
	for _, seed := range []string{
		`{}`, fmt.Sprintf(mine, "a", "b", `{"phase":"Running","nodeRef":{"name":"n"}}`),
		fmt.Sprintf(mine, v1alpha1.SpecHashAnnotation, "x", `{"deprecated":{"v1beta1":{"failureReason":"Bad\n","failureMessage":"\u001b[31m"}}}`),
		fmt.Sprintf(mine, v1alpha1.RemindedAtAnnotation, "not a time", `{"conditions":[{"type":"Paused","status":"True","reason":"Paused"}]}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		live := &clusterv1.Machine{}
		if json.Unmarshal([]byte(text), live) != nil {
			t.Skip()
		}
		state := Observe(sm, live)
		if Ours(sm, live) == (state.Foreign != "") {
			t.Errorf("ours %t, foreign %q", Ours(sm, live), state.Foreign)
		}
		if strings.ContainsFunc(state.Failed, func(r rune) bool { return r < ' ' }) || utf8.RuneCountInString(state.Failed) > 10*maxQuotedError+30 {
			t.Errorf("unfit report: %q", state.Failed)
		}
		if state.Running && state.Deleting {
			t.Errorf("runs and is deleted: %+v", state)
		}
	})
}
