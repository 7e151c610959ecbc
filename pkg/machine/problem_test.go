package machine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

const password = "hunter2-hunter2"

func TestWhatIsMissingIsFoundBeforeAnythingIsCreated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret *corev1.Secret
		change func(*v1alpha1.ScheduledMachine)
		before func(string) error
		reason string
		texts  []string
	}{
		"a kind that is not served": {
			change: func(sm *v1alpha1.ScheduledMachine) { sm.Spec.InfrastructureSpec.Kind = "Metal3Machine" },
			reason: v1alpha1.ProviderKindNotFoundReason, texts: []string{"Metal3Machine", "infrastructure.cluster.x-k8s.io/v1beta2"},
		},
		"a version that is not served": {
			change: func(sm *v1alpha1.ScheduledMachine) {
				sm.Spec.BootstrapSpec.APIVersion = "bootstrap.cluster.x-k8s.io/v9"
			},
			reason: v1alpha1.ProviderKindNotFoundReason, texts: []string{"K0sWorkerConfig", "bootstrap.cluster.x-k8s.io/v9"},
		},
		"a kind that is not namespaced": {
			change: func(sm *v1alpha1.ScheduledMachine) {
				sm.Spec.InfrastructureSpec = providerObject(sharedKind, `{}`)
			},
			reason: v1alpha1.ProviderRefusedReason, texts: []string{"SharedHost", "not namespaced"},
		},
		"a Secret that does not exist": {
			change: func(sm *v1alpha1.ScheduledMachine) { withSecretRef(sm) },
			reason: v1alpha1.SecretNotFoundReason, texts: []string{`"ssh"`},
		},
		"a Secret without the key": {
			secret: secret(allowed(), password),
			change: func(sm *v1alpha1.ScheduledMachine) { withSecretRef(sm).Spec.InfrastructureSpec.SecretRef.Key = "other" },
			reason: v1alpha1.SecretNotFoundReason, texts: []string{`"ssh"`, `"other"`},
		},
		"a Secret without the label": {
			secret: secret(nil, password),
			change: func(sm *v1alpha1.ScheduledMachine) { withSecretRef(sm) },
			reason: v1alpha1.SecretNotAllowedReason, texts: []string{`"ssh"`, "5spot.finos.org/allow-secret-ref", "true"},
		},
		"a Secret whose label says no": {
			secret: secret(map[string]string{v1alpha1.AllowSecretRefLabel: "false"}, password),
			change: func(sm *v1alpha1.ScheduledMachine) { withSecretRef(sm) },
			reason: v1alpha1.SecretNotAllowedReason,
		},
		"a Secret that is not an object": {
			secret: secret(allowed(), password),
			change: func(sm *v1alpha1.ScheduledMachine) { withSecretRef(sm) },
			reason: v1alpha1.SecretInvalidReason, texts: []string{`"ssh"`, `"spec"`},
		},
		"a Secret that says which host it is": {
			secret: secret(allowed(), `{"providerID":"remote-machine://other/desk-1"}`),
			change: func(sm *v1alpha1.ScheduledMachine) { withSecretRef(sm) },
			reason: v1alpha1.SecretInvalidReason, texts: []string{`"ssh"`, `"spec"`, "providerID", "only the provider"},
		},
		"a Secret that may not be read": {
			change: func(sm *v1alpha1.ScheduledMachine) { withSecretRef(sm) },
			before: failing("get Secret", forbiddenByAuthorizer("get", "secrets")),
			reason: v1alpha1.ProviderForbiddenReason, texts: []string{"get secrets"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objs := []client.Object{}
			if c.secret != nil {
				objs = append(objs, c.secret)
			}
			w, sm := newWorld(t, objs...), scheduledMachine()
			w.before = c.before
			c.change(sm)
			result := w.ensure(t, sm)
			wantProblem(t, result.Problem, c.reason, c.texts...)
			found, err := w.objects.References(t.Context(), sm)
			if err != nil {
				t.Fatal(err)
			}
			wantProblem(t, found, c.reason, c.texts...)
			if strings.Contains(result.Problem.Message, password) {
				t.Errorf("the message quotes the Secret: %s", result.Problem.Message)
			}
			if len(w.writes()) > 0 {
				t.Errorf("wrote %v", w.writes())
			}
		})
	}
}

func TestReferencesInOrderAreNoProblem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, secret(allowed(), "user: root"))
	if problem, err := w.objects.References(t.Context(), withSecretRef(scheduledMachine())); problem != nil || err != nil {
		t.Errorf("References = %v, %v", problem, err)
	}
	w.before = failing("get Secret", errors.New("connection reset"))
	if problem, err := w.objects.References(t.Context(), withSecretRef(scheduledMachine())); problem != nil || err == nil {
		t.Errorf("References = %v, %v", problem, err)
	}
}

func TestRefusalsOfTheServerAreProblems(t *testing.T) {
	t.Parallel()
	remotes := schema.GroupResource{Group: remoteKind.Group, Resource: "remotemachines"}
	terminating := apierrors.NewForbidden(remotes, smName, errors.New("unable to create new content"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, c := range map[string]struct {
		call   string
		err    error
		reason string
		texts  []string
	}{
		"no right to create": {
			"create RemoteMachine", forbiddenByAuthorizer("create", "remotemachines"), v1alpha1.ProviderForbiddenReason,
			[]string{"create remotemachines.infrastructure.cluster.x-k8s.io"},
		},
		"no right to read": {
			"get RemoteMachine", forbiddenByAuthorizer("get", "remotemachines"), v1alpha1.ProviderForbiddenReason,
			[]string{"get remotemachines.infrastructure.cluster.x-k8s.io"},
		},
		"no right to create Machines": {
			"create Machine", forbiddenByAuthorizer("create", "machines"), v1alpha1.ProviderForbiddenReason,
			[]string{"create machines.cluster.x-k8s.io"},
		},
		"a quota": {
			"create RemoteMachine", apierrors.NewForbidden(remotes, smName, errors.New("exceeded quota: hosts")),
			v1alpha1.ProviderRefusedReason,
			[]string{"RemoteMachine", "exceeded quota: hosts"},
		},
		"a schema": {
			"create RemoteMachine", apierrors.NewInvalid(remoteKind.GroupKind(), smName, field.ErrorList{field.Required(field.NewPath("spec", "address"), "")}),
			v1alpha1.ProviderRefusedReason,
			[]string{"RemoteMachine", "spec.address"},
		},
		"a webhook": {
			"create K0sWorkerConfig", apierrors.NewBadRequest("admission webhook \"k0s\" denied the request:\nno\x1b[31m"),
			v1alpha1.ProviderRefusedReason,
			[]string{"K0sWorkerConfig", `denied the request:\nno\x1b[31m`},
		},
		"a namespace on its way out": {
			"create RemoteMachine", terminating, v1alpha1.ProviderRefusedReason, []string{"namespace is being deleted"},
		},
		"a kind that went away": {
			"create RemoteMachine", apierrors.NewGenericServerResponse(404, "POST", remotes, "", "the server could not find the requested resource", 0, false),
			v1alpha1.ProviderKindNotFoundReason,
			[]string{"RemoteMachine"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.before = failing(c.call, c.err)
			result := w.ensure(t, scheduledMachine())
			wantProblem(t, result.Problem, c.reason, c.texts...)
			ofAPart := c.call != "create Machine" && strings.HasPrefix(c.call, "create") && c.reason != v1alpha1.ProviderForbiddenReason
			if ofAPart && !strings.HasPrefix(result.Problem.Message, "spec.") {
				t.Errorf("the message names no field: %s", result.Problem.Message)
			}
			if result.Machine != nil || w.read(t, machineKind) != nil {
				t.Error("a part was refused, and yet there is a Machine")
			}
			w.before = nil
			if again := w.ensure(t, scheduledMachine()); !again.Done() {
				t.Errorf("it does not go on once the cause is gone: %+v", again)
			}
		})
	}
}

func TestARefusedPartDoesNotHideTheOneThatWasCreated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.before = failing("create RemoteMachine", apierrors.NewBadRequest("no"))
	result := w.ensure(t, scheduledMachine())
	if result.Bootstrap == nil || !result.Changed || result.Infrastructure != nil {
		t.Errorf("Ensure: %+v", result)
	}
}

// A provider's webhook may repeat the object in its answer, and the object holds
// the Secret.
func TestAnswersAreNotRepeatedWhereASecretTookPart(t *testing.T) {
	t.Parallel()
	remotes := schema.GroupResource{Group: remoteKind.Group, Resource: "remotemachines"}
	for name, err := range map[string]error{
		"a refusal":               apierrors.NewBadRequest("bad password " + password),
		"a quota":                 apierrors.NewForbidden(remotes, smName, errors.New(password)),
		"a schema":                apierrors.NewInvalid(remoteKind.GroupKind(), password, nil),
		"an error of the webhook": apierrors.NewInternalError(errors.New("webhook panicked: " + password)),
		"a wrapped error":         fmt.Errorf("outer: %w", apierrors.NewServiceUnavailable(password)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, secret(allowed(), `{"password":"`+password+`"}`))
			w.before = failing("create RemoteMachine", err)
			result, got := w.objects.Ensure(t.Context(), withSecretRef(scheduledMachine()), cluster())
			shown := fmt.Sprintf("%+v %#v %v", result, result.Problem, got)
			if result.Problem == nil && got == nil || strings.Contains(shown, password) {
				t.Errorf("shown: %s", shown)
			}
			if apierrors.IsServiceUnavailable(err) && !apierrors.IsServiceUnavailable(got) {
				t.Errorf("the error lost its kind: %v", got)
			}
		})
	}
}

func TestQuotedErrorsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.before = failing("create RemoteMachine", apierrors.NewBadRequest(strings.Repeat("ä", 5000)))
	problem := w.ensure(t, scheduledMachine()).Problem
	wantProblem(t, problem, v1alpha1.ProviderRefusedReason, strings.Repeat("ä", 200))
	if got := len([]rune(problem.Message)); got > 320 {
		t.Errorf("the message has %d characters", got)
	}
}

func TestKindsWithIrregularPluralsResolveThroughTheRESTMapper(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	sm.Spec.InfrastructureSpec = providerObject(proxyKind, `{}`)
	w := newWorld(t)
	w.before = failing("create HostProxy", forbiddenByAuthorizer("create", "hostproxies-of-old"))
	wantProblem(t, w.ensure(t, sm).Problem, v1alpha1.ProviderForbiddenReason,
		"create hostproxies-of-old.infrastructure.cluster.x-k8s.io")
	w.before = nil
	if result := w.ensure(t, sm); !result.Done() || result.Infrastructure.Kind != "HostProxy" {
		t.Errorf("Ensure: %+v", result)
	}
}
