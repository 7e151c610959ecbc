package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

var (
	machineKind  = clusterv1.GroupVersion.WithKind("Machine")
	errNoCluster = errors.New("failed to create a Machine: there is no Cluster")
)

// part is the bootstrap or the infrastructure object on its way.
type part struct {
	// path is where the ScheduledMachine says what is wanted.
	path *field.Path

	wanted   v1alpha1.ProviderObject
	gvk      schema.GroupVersionKind
	resource schema.GroupResource

	// found is the object, of ours, that exists already; nil when it is missing.
	found *metav1.PartialObjectMetadata

	// built is what is to be created; nil unless the object is missing and needed.
	built *unstructured.Unstructured

	// unneeded is set when the live Machine has no more use for the object.
	unneeded bool

	// consumed is whether a live Machine has made use of the object: made again, it
	// would set up a host a second time under a running machine.
	consumed func(live *clusterv1.Machine) bool

	// ref is where a Result names the object.
	ref func(*Result) **v1alpha1.ObjectReference
}

// parts are bootstrap and infrastructure, in this order.
type parts [2]*part

func partsOf(sm *v1alpha1.ScheduledMachine) parts {
	return parts{
		{
			path:   field.NewPath("spec", "bootstrapSpec"),
			wanted: sm.Spec.BootstrapSpec,
			gvk:    groupVersionKind(sm.Spec.BootstrapSpec),
			ref:    func(r *Result) **v1alpha1.ObjectReference { return &r.Bootstrap },
			consumed: func(live *clusterv1.Machine) bool {
				return live.Spec.Bootstrap.DataSecretName != nil || ptr.Deref(live.Status.Initialization.BootstrapDataSecretCreated, false)
			},
		},
		{
			path:   field.NewPath("spec", "infrastructureSpec"),
			wanted: sm.Spec.InfrastructureSpec,
			gvk:    groupVersionKind(sm.Spec.InfrastructureSpec),
			ref:    func(r *Result) **v1alpha1.ObjectReference { return &r.Infrastructure },
			consumed: func(live *clusterv1.Machine) bool {
				return live.Spec.ProviderID != "" || ptr.Deref(live.Status.Initialization.InfrastructureProvisioned, false)
			},
		},
	}
}

func (p parts) allUnneeded() bool { return p[0].unneeded && p[1].unneeded }

// describe names the object for people.
func (p *part) describe(sm *v1alpha1.ScheduledMachine) string {
	return fmt.Sprintf("%s %q", p.gvk.Kind, Name(sm))
}

func (p *part) target(sm *v1alpha1.ScheduledMachine) target {
	return target{path: p.path, kind: p.gvk.Kind, name: Name(sm), namespace: Namespace(sm), resource: p.resource, secret: p.wanted.SecretRef != nil}
}

func machineTarget(sm *v1alpha1.ScheduledMachine) target {
	return target{kind: machineKind.Kind, name: Name(sm), namespace: Namespace(sm), resource: machinesResource}
}

// References looks for what the parts of sm need in order to be created: their
// kinds and Secrets. It reads nothing else and writes nothing. Rights cannot be
// told in advance; Ensure reports those that it lacks.
func (o *Objects) References(ctx context.Context, sm *v1alpha1.ScheduledMachine) (*Problem, error) {
	for _, part := range partsOf(sm) {
		if _, problem, err := o.resolvePart(part); problem != nil || err != nil {
			return problem, err
		}
		if _, problem, err := o.build(ctx, sm, part); problem != nil || err != nil {
			return problem, err
		}
	}
	return nil, nil //nolint:nilnil // No Problem is an answer, and the usual one.
}

// prepare surveys all parts before anything is created, and is whether they can be.
func (e *ensuring) prepare(ctx context.Context, parts parts) (bool, error) {
	for _, part := range parts {
		if err := e.survey(ctx, part); err != nil || e.result.Problem != nil {
			return false, err
		}
	}
	if e.result.Waiting != "" {
		return false, nil
	}
	for _, part := range parts {
		if part.found != nil || part.unneeded {
			continue
		}
		var err error
		if part.built, e.result.Problem, err = e.build(ctx, e.sm, part); err != nil || e.result.Problem != nil {
			return false, err
		}
	}
	return true, nil
}

// survey finds out whether the object of a part exists and what it is to us.
func (e *ensuring) survey(ctx context.Context, part *part) error {
	mapping, problem, err := e.resolvePart(part)
	if err != nil || problem != nil {
		e.result.Problem = problem
		return err
	}
	part.resource = mapping.Resource.GroupResource()
	if err := e.find(ctx, part); err != nil || part.found == nil {
		return err
	}
	return e.judge(ctx, part)
}

// find looks whether the object of a part exists.
func (e *ensuring) find(ctx context.Context, part *part) (err error) {
	part.found, err = e.head(ctx, part.gvk, Key(e.sm))
	if apierrors.IsForbidden(err) {
		e.result.Problem, err = MissingRight("get", part.resource, Namespace(e.sm)), nil
	}
	return err
}

// resolvePart is resolve for the kind of a part; a Problem names the field.
func (o *Objects) resolvePart(part *part) (*meta.RESTMapping, *Problem, error) {
	mapping, problem, err := o.resolve(part.gvk)
	if problem != nil {
		problem.Message = part.path.String() + ": " + problem.Message
	}
	return mapping, problem, err
}

// judge says what becomes of a part's object that exists: kept, waited for,
// deleted, or refused to be touched.
func (e *ensuring) judge(ctx context.Context, part *part) error {
	standing := adopted(e.sm, part.found, e.live)
	switch {
	case standing == adoptedByOther, !Ours(e.sm, part.found) && standing != adoptedByOurs:
		e.result.Problem = foreign(part.gvk.Kind, part.found.Name)
		return nil
	case !part.found.DeletionTimestamp.IsZero():
		e.result.Waiting = part.describe(e.sm) + " is still being deleted"
		return nil
	}
	left, err := e.isLeftFromBefore(ctx, part)
	switch {
	case err != nil || e.result.Problem != nil:
		return err
	case left:
		e.result.Waiting = part.describe(e.sm) + " was created from an earlier spec or for an earlier Machine and is being deleted"
		e.result.Changed = true
		return e.deleteObject(ctx, part.found)
	}
	*part.ref(&e.result) = reference(part.gvk, part.found)
	return nil
}

// isLeftFromBefore is whether the object of a part, of ours and without a Machine,
// cannot become part of a new one: it was created from another spec or another version
// of its Secret, or its Machine is gone without it.
func (e *ensuring) isLeftFromBefore(ctx context.Context, part *part) (bool, error) {
	found := part.found
	switch {
	case e.live != nil:
		return false, nil
	case found.Annotations[v1alpha1.SpecHashAnnotation] != SpecHash(e.sm), slices.ContainsFunc(found.OwnerReferences, isMachine):
		return true, nil
	}
	secret, problem, err := e.secretOf(ctx, Namespace(e.sm), part)
	e.result.Problem = problem
	return secret != nil && found.Annotations[v1alpha1.SecretVersionAnnotation] != secret.version, err
}

// build makes the object of a part, with its Secret merged in.
func (o *Objects) build(ctx context.Context, sm *v1alpha1.ScheduledMachine, part *part) (*unstructured.Unstructured, *Problem, error) {
	secret, problem, err := o.secretOf(ctx, Namespace(sm), part)
	if problem != nil || err != nil {
		return nil, problem, err
	}
	var value []byte
	if secret != nil {
		value = secret.value
	}
	built, err := BuildProviderObject(sm, part.wanted, value)
	if err != nil {
		return nil, part.unbuildable(err), nil
	}
	if secret != nil {
		built.SetAnnotations(withOurs(built.GetAnnotations(), map[string]string{v1alpha1.SecretVersionAnnotation: secret.version}))
	}
	return built, nil, nil
}

// unbuildable is what somebody has to mend after err of BuildProviderObject.
func (p *part) unbuildable(err error) *Problem {
	for _, rule := range secretRules {
		if errors.Is(err, rule) {
			return problemf(v1alpha1.SecretInvalidReason, "%s: key %q of Secret %q %s", p.path.Child("secretRef"),
				bounded(secretKey(p.wanted.SecretRef)), bounded(p.wanted.SecretRef.Name), rule)
		}
	}
	return problemf(v1alpha1.ProviderRefusedReason, "%s: must be a JSON object", p.path.Child("spec"))
}
