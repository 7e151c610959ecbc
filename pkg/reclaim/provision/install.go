package provision

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/operand"
)

const owner = client.FieldOwner(v1alpha1.FieldManagerReclaimAgent)

var (
	policyKind      = admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicy")
	constraintsKind = schema.GroupVersionKind{Group: "security.openshift.io", Version: "v1", Kind: "SecurityContextConstraints"}
)

// Install makes the agent's objects in the cluster as they should be, and reports whether
// that changed anything. It reads each object once and writes only those that differ;
// what it finds to be somebody else's or newer ends it before anything is written. The
// policy is written first and the DaemonSet last.
//
// The client must not read from a cache, which would watch every kind that is read here.
// A pass takes about a dozen requests: make one when a cluster is connected, when the
// agent is not Ready on a Node, and else every five minutes.
//
// The error is one of ErrPolicyUnsupported, ErrForeign, ErrNewerInstalled,
// ErrRestrictedNamespace and ErrBeingDeleted, or else that of the API server.
func (p *Provisioner) Install(ctx context.Context, c client.Client, namespace string) (changed bool, err error) {
	wanted, err := p.objectsFor(c, namespace)
	if err != nil {
		return false, err
	}
	if len(wanted.policy) == 0 {
		return false, ErrPolicyUnsupported
	}
	live, err := p.survey(ctx, c, wanted)
	if err != nil {
		return false, err
	}
	for i, object := range wanted.all() {
		var wrote bool
		if object == wanted.namespace {
			wrote, err = ensureNamespace(ctx, c, live[i], object)
		} else {
			wrote, err = operand.Ensure(ctx, c, live[i], object, owner)
		}
		changed = changed || wrote
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// objectsFor are the objects of which the cluster has the kinds.
func (p *Provisioner) objectsFor(c client.Client, namespace string) (*objects, error) {
	openShift, err := operand.Serves(c, constraintsKind)
	if err != nil {
		return nil, err
	}
	rendered, err := p.render(namespace, openShift)
	if err != nil {
		return nil, err
	}
	policies, err := operand.Serves(c, policyKind)
	if !policies {
		rendered.policy = nil
	}
	return rendered, err
}

// survey reads what is there, nil for what is not, in the order of the objects, and
// makes sure that all of it may be written.
func (p *Provisioner) survey(ctx context.Context, c client.Client, wanted *objects) ([]*unstructured.Unstructured, error) {
	var found []*unstructured.Unstructured
	for _, object := range wanted.all() {
		live, err := operand.Read(ctx, c, object)
		if err != nil {
			return nil, err
		}
		if live != nil {
			if err := p.mayWrite(live, object == wanted.namespace); err != nil {
				return nil, fmt.Errorf("%s %w", operand.Name(live), err)
			}
		}
		found = append(found, live)
	}
	return found, nil
}

func (p *Provisioner) mayWrite(live *unstructured.Unstructured, isNamespace bool) error {
	switch {
	case live.GetDeletionTimestamp() != nil:
		return operand.ErrBeingDeleted
	case isNamespace && !isOurNamespace(live):
		return mayUse(live)
	case !isNamespace && !operand.IsOurs(live):
		return ErrForeign
	}
	return p.version.MayWrite(live)
}
