package machine

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Whoever reads the condition knows which rule to write: verb, resource, group and
// namespace, and for a provider's kind all verbs at once.
func TestAMissingRightIsNamedExactly(t *testing.T) {
	t.Parallel()
	const needed = "; of a provider's kind it needs create, delete and get"
	for name, c := range map[string]struct {
		call string
		err  error
		want string
	}{
		"to read a part":             {"get RemoteMachine", forbiddenByAuthorizer("get", "remotemachines"), "get remotemachines.infrastructure.cluster.x-k8s.io" + where + needed},
		"to create a part":           {"create K0sWorkerConfig", forbiddenByAuthorizer("create", "k0sworkerconfigs"), "create k0sworkerconfigs.bootstrap.cluster.x-k8s.io" + where + needed},
		"to create a Machine":        {"create Machine", forbiddenByAuthorizer("create", "machines"), "create machines.cluster.x-k8s.io" + where},
		"to read a Machine":          {"get Machine", forbiddenByAuthorizer("get", "machines"), "get machines.cluster.x-k8s.io" + where},
		"to read a Secret":           {"get Secret", forbiddenByAuthorizer("get", "secrets"), "get secrets" + where},
		"to hold up the owner's end": {"create Machine", forbiddenByPlugin(), "update scheduledmachines.5spot.finos.org/finalizers" + where},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, secret(allowed(), "{}"))
			w.before = failing(c.call, c.err)
			problem := w.ensure(t, withSecretRef(scheduledMachine())).Problem
			wantProblem(t, problem, v1alpha1.ProviderForbiddenReason)
			if want := "5-Spot lacks the right to " + c.want; problem.Message != want {
				t.Errorf("\n got %s\nwant %s", problem.Message, want)
			}
		})
	}
}

// where is the namespace of the objects here.
const where = ` in namespace "` + namespace + `"`

func forbiddenByPlugin() error {
	return apierrors.NewForbidden(machinesResource, smName, errors.New(
		"cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>"))
}

// A part may have come to be between the look and the write.
func TestAMissingRightToReadIsNamedAlsoWhenAPartExistsAlready(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	w := newWorld(t, present(t, sm, sm.Spec.BootstrapSpec))
	looks := 0
	w.before = func(call string) error {
		if call == "get K0sWorkerConfig" {
			if looks++; looks == 1 {
				return apierrors.NewNotFound(machinesResource, smName)
			}
			return forbiddenByAuthorizer("get", "k0sworkerconfigs")
		}
		return nil
	}
	wantProblem(t, w.ensure(t, sm).Problem, v1alpha1.ProviderForbiddenReason, "get k0sworkerconfigs.bootstrap.cluster.x-k8s.io")
}

func TestAMissingRightToRemoveIsNamed(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	for name, c := range map[string]struct {
		call   string
		err    error
		remove func(ctx context.Context, w *world) error
		want   string
	}{
		"a Machine": {"delete Machine", forbiddenByAuthorizer("delete", "machines"), func(ctx context.Context, w *world) error {
			_, err := w.objects.Delete(ctx, sm, presentMachine(t, sm), DeleteOptions{})
			return err
		}, "delete machines.cluster.x-k8s.io"},
		"a step of its deletion": {"patch Machine", forbiddenByAuthorizer("patch", "machines"), func(ctx context.Context, w *world) error {
			_, err := w.objects.Delete(ctx, sm, presentMachine(t, sm), DeleteOptions{SkipDrain: true})
			return err
		}, "patch machines.cluster.x-k8s.io"},
		"a leftover": {"delete RemoteMachine", forbiddenByAuthorizer("delete", "remotemachines"), func(ctx context.Context, w *world) error {
			return w.objects.DeleteLeftovers(ctx, sm, []v1alpha1.ObjectReference{*reference(remoteKind, present(t, sm, sm.Spec.InfrastructureSpec))})
		}, "delete remotemachines.infrastructure.cluster.x-k8s.io"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, presentMachine(t, sm), present(t, sm, sm.Spec.InfrastructureSpec))
			w.before = failing(c.call, c.err)
			err := c.remove(t.Context(), w)
			wantProblem(t, DeniedBy(err), v1alpha1.ProviderForbiddenReason, c.want+where)
			if !apierrors.IsForbidden(err) {
				t.Errorf("the error lost its kind: %v", err)
			}
			w.before = failing(c.call, apierrors.NewForbidden(machinesResource, smName, errors.New("exceeded quota: hosts")))
			if err := c.remove(t.Context(), w); err == nil || DeniedBy(err) != nil {
				t.Errorf("a refusal that is none of rights: %v", err)
			}
		})
	}
}
