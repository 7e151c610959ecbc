package provision

import (
	"context"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

const owner = client.FieldOwner(v1alpha1.FieldManagerReclaimAgent)

var (
	policyKind      = schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicy"}
	constraintsKind = schema.GroupKind{Group: "security.openshift.io", Kind: "SecurityContextConstraints"}
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
		ensure := ensure
		if object == wanted.namespace {
			ensure = ensureNamespace
		}
		wrote, err := ensure(ctx, c, live[i], object)
		changed = changed || wrote
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// objectsFor are the objects of which the cluster has the kinds.
func (p *Provisioner) objectsFor(c client.Client, namespace string) (*objects, error) {
	openShift, err := knows(c, constraintsKind)
	if err != nil {
		return nil, err
	}
	rendered, err := p.render(namespace, openShift)
	if err != nil {
		return nil, err
	}
	policies, err := knows(c, policyKind)
	if !policies {
		rendered.policy = nil
	}
	return rendered, err
}

// knows is whether the cluster has version v1 of the kind.
func knows(c client.Client, kind schema.GroupKind) (bool, error) {
	_, err := c.RESTMapper().RESTMapping(kind, "v1")
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("failed to find out whether the cluster has the kind %s: %w", kind, err)
	}
	return true, nil
}

// survey reads what is there, nil for what is not, in the order of the objects, and
// makes sure that all of it may be written.
func (p *Provisioner) survey(ctx context.Context, c client.Client, wanted *objects) ([]*unstructured.Unstructured, error) {
	var found []*unstructured.Unstructured
	for _, object := range wanted.all() {
		live, err := read(ctx, c, object)
		if err != nil {
			return nil, err
		}
		if live != nil {
			if err := p.mayWrite(live, object == wanted.namespace); err != nil {
				return nil, fmt.Errorf("%s %w", name(live), err)
			}
		}
		found = append(found, live)
	}
	return found, nil
}

func (p *Provisioner) mayWrite(live *unstructured.Unstructured, isNamespace bool) error {
	switch {
	case live.GetDeletionTimestamp() != nil:
		return ErrBeingDeleted
	case isNamespace && !isOurNamespace(live):
		return mayUse(live)
	case !isNamespace && !isOurs(live):
		return ErrForeign
	}
	if by := parseVersion(live.GetAnnotations()[v1alpha1.VersionAnnotation]); by != nil && p.version != nil && p.version.LessThan(by) {
		return ErrNewerInstalled
	}
	return nil
}

// read returns nil when the object does not exist.
func read(ctx context.Context, c client.Client, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(object.GroupVersionKind())
	err := c.Get(ctx, client.ObjectKeyFromObject(object), live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("failed to get %s: %w", name(object), err)
	}
	return live, nil
}

// ensure writes the object if it is missing or differs.
func ensure(ctx context.Context, c client.Client, live, wanted *unstructured.Unstructured) (changed bool, err error) {
	if live != nil && !differs(live, wanted) {
		return false, nil
	}
	if live != nil && immutableDiffers(live, wanted) {
		if err := remove(ctx, c, live); err != nil {
			return false, err
		}
		live = nil
	}
	written, err := write(ctx, c, live, wanted)
	if err != nil {
		return false, err
	}
	// A write of what is there already leaves the version as it is.
	return live == nil || live.GetResourceVersion() != written.GetResourceVersion(), nil
}

// write applies the object, which leaves alone what others have added. Where that is
// still there, or makes no valid object together with ours, all of it is replaced.
func write(ctx context.Context, c client.Client, live, wanted *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	written := wanted.DeepCopy()
	err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(written), owner, client.ForceOwnership)
	switch {
	case apierrors.IsInvalid(err) && live != nil:
		written = live.DeepCopy()
	case err != nil:
		return nil, fmt.Errorf("failed to apply %s: %w", name(wanted), err)
	case !bodyDiffers(written, wanted):
		return written, nil
	}
	replace(written, wanted)
	if err := c.Update(ctx, written, owner); err != nil {
		return nil, fmt.Errorf("failed to update %s: %w", name(wanted), err)
	}
	return written, nil
}

// replace makes the live object what is wanted. It keeps the labels and annotations of
// others.
func replace(live, wanted *unstructured.Unstructured) {
	for key := range live.Object {
		if _, ok := wanted.Object[key]; !ok && key != "status" {
			delete(live.Object, key)
		}
	}
	for key, value := range wanted.DeepCopy().Object {
		if key != "metadata" {
			live.Object[key] = value
		}
	}
	live.SetLabels(merged(live.GetLabels(), wanted.GetLabels()))
	live.SetAnnotations(merged(live.GetAnnotations(), wanted.GetAnnotations()))
}

func merged(live, wanted map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, live)
	maps.Copy(all, wanted)
	return all
}

// remove deletes this very object.
func remove(ctx context.Context, c client.Client, live *unstructured.Unstructured) error {
	uid := live.GetUID()
	err := c.Delete(ctx, live, client.Preconditions{UID: &uid}, client.PropagationPolicy("Background"))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to delete %s: %w", name(live), err)
	}
	return nil
}

// name is how an object is called in messages.
func name(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + client.ObjectKeyFromObject(object).String()
}
