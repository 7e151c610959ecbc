package machine

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Result is how far Ensure came.
type Result struct {
	// Bootstrap, Infrastructure and Machine are the objects of ours that are known
	// to be there, also when something else went wrong. Those that were not looked
	// at are nil.
	Bootstrap      *v1alpha1.ObjectReference
	Infrastructure *v1alpha1.ObjectReference
	Machine        *v1alpha1.ObjectReference

	// Changed is whether anything was written, and MachineCreated whether that was
	// the Machine.
	Changed        bool
	MachineCreated bool

	// Waiting names what of ours has to go before the rest can be created; empty
	// when nothing has to. The caller comes back when it is gone.
	Waiting string

	// Problem is what somebody has to mend; nil when nothing stands in the way.
	Problem *Problem
}

// Done is whether everything is there.
func (r Result) Done() bool { return r.Problem == nil && r.Waiting == "" }

// Ensure makes the bootstrap, infrastructure and Machine objects of sm be there,
// by plain creation in this order, so that a part that is refused never gets a
// Machine. It is to be called only when sm is valid and cluster is ready for
// machines; a nil cluster is an error.
//
// It creates nothing before everything that it can check is in order, and it can
// be called again after it, or the process, stopped at any point. A Machine of
// ours that lives is kept as it is; of its parts only those are created again
// that it still waits for. An error is worth another try, a Problem is not until
// something changes.
func (o *Objects) Ensure(ctx context.Context, sm *v1alpha1.ScheduledMachine, cluster *clusterv1.Cluster) (Result, error) {
	live, err := o.Confirm(ctx, sm)
	switch {
	case meta.IsNoMatchError(err):
		return Result{Problem: problemf(v1alpha1.ClusterAPINotInstalledReason, "the API server does not serve Machine of %s", clusterv1.GroupVersion)}, nil
	case DeniedBy(err) != nil:
		return Result{Problem: DeniedBy(err)}, nil
	case err != nil:
		return Result{}, err
	case cluster == nil:
		return Result{}, errNoCluster
	}
	e := &ensuring{Objects: o, sm: sm, cluster: cluster, live: live}
	if live != nil {
		return e.besideMachine(ctx)
	}
	err = e.fromScratch(ctx)
	return e.result, err
}

// ensuring is one call of Ensure.
type ensuring struct {
	*Objects

	sm      *v1alpha1.ScheduledMachine
	cluster *clusterv1.Cluster

	// live is the Machine, of which nothing is known yet but that it has our name;
	// nil when there is none.
	live *clusterv1.Machine

	result Result
}

// besideMachine goes on where a Machine has the name already.
func (e *ensuring) besideMachine(ctx context.Context) (Result, error) {
	if !e.acceptMachine(e.live) || SpecChanged(e.sm, e.live) {
		return e.result, nil
	}
	parts := partsOf(e.sm)
	for _, part := range parts {
		part.unneeded = part.consumed(e.live)
	}
	if parts.allUnneeded() {
		return e.result, nil
	}
	if ready, err := e.prepare(ctx, parts); !ready {
		return e.result, err
	}
	_, err := e.createParts(ctx, parts)
	return e.result, err
}

// fromScratch goes on where no Machine has the name.
func (e *ensuring) fromScratch(ctx context.Context) error {
	parts := partsOf(e.sm)
	if ready, err := e.prepare(ctx, parts); !ready {
		return err
	}
	if ready, err := e.createParts(ctx, parts); !ready {
		return err
	}
	return e.createMachine(ctx, parts)
}

// createParts creates the parts that are missing, and is whether all are there.
func (e *ensuring) createParts(ctx context.Context, parts parts) (bool, error) {
	for _, part := range parts {
		if part.found == nil && !part.unneeded {
			if err := e.createPart(ctx, part); err != nil {
				return false, err
			}
		}
		if !e.result.Done() {
			return false, nil
		}
	}
	return true, nil
}

func (e *ensuring) createPart(ctx context.Context, part *part) error {
	if part.wanted.SecretRef != nil {
		ctx = withSecret(ctx)
	}
	err := e.writer.Create(ctx, part.built)
	switch {
	case err == nil:
		e.result.Changed = true
		*part.ref(&e.result) = reference(part.gvk, part.built)
		return nil
	case !apierrors.IsAlreadyExists(err):
		e.result.Problem, err = refusal(part.target(e.sm), err)
		return err
	}
	// It was created between our look and our write: by ourselves, in a request whose
	// answer was lost, or by somebody else.
	if err := e.find(ctx, part); err != nil || e.result.Problem != nil {
		return err
	}
	if part.found == nil {
		e.result.Waiting = part.describe(e.sm) + " came and went"
		return nil
	}
	return e.judge(ctx, part)
}

func (e *ensuring) createMachine(ctx context.Context, parts parts) error {
	built := BuildMachine(e.sm, e.cluster, parts[0].identity(e.sm), parts[1].identity(e.sm))
	err := e.writer.Create(ctx, built)
	switch {
	case err == nil:
		e.result.Changed, e.result.MachineCreated = true, true
		e.result.Machine = reference(machineKind, built)
		return nil
	case !apierrors.IsAlreadyExists(err):
		e.result.Problem, err = refusal(machineTarget(e.sm), err)
		return err
	}
	live, err := e.Confirm(ctx, e.sm)
	if err != nil {
		return err
	}
	if live == nil {
		e.result.Waiting = fmt.Sprintf("Machine %q came and went", Name(e.sm))
		return nil
	}
	e.acceptMachine(live)
	return nil
}

// acceptMachine is whether live is ours to keep.
func (e *ensuring) acceptMachine(live *clusterv1.Machine) bool {
	switch {
	case !Ours(e.sm, live):
		e.result.Problem = foreign(machineKind.Kind, live.Name)
		return false
	case !live.DeletionTimestamp.IsZero():
		e.result.Waiting = fmt.Sprintf("Machine %q is still being deleted", live.Name)
		return false
	}
	e.result.Machine = reference(machineKind, live)
	return true
}

func foreign(kind, name string) *Problem {
	problem := problemf(v1alpha1.ForeignObjectReason, "%s %q exists and was not created for this ScheduledMachine", kind, name)
	problem.Foreign = fmt.Sprintf("%s %q", kind, name)
	return problem
}

// identity is enough of a part for a Machine to refer to it.
func (p *part) identity(sm *v1alpha1.ScheduledMachine) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(p.gvk)
	obj.SetName(Name(sm))
	return obj
}
