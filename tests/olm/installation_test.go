package olm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// installation is the operator in a namespace, as OLM installs it.
type installation struct {
	*cluster
	namespace string
}

// deployFolder are the objects of config/olm-deploy, with the catalog that is served here.
func (i *installation) deployFolder() []*unstructured.Unstructured {
	i.Helper()
	rendered, err := exec.CommandContext(i.Context(), i.server.Kubectl(), "kustomize", filepath.Join(root, "config", "olm-deploy")).Output()
	i.Expect(err).NotTo(HaveOccurred())
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(rendered), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		i.Expect(err).NotTo(HaveOccurred())
		if object.GetKind() == "CatalogSource" {
			spec := i.specOf(object)
			delete(spec, "image")
			delete(spec, "grpcPodConfig")
			spec["address"] = released.catalog.address
		}
		objects = append(objects, object)
	}
}

func (i *installation) specOf(object *unstructured.Unstructured) map[string]any {
	i.Helper()
	spec, ok := object.Object["spec"].(map[string]any)
	i.Expect(ok).To(BeTrue(), object.GetKind())
	return spec
}

// subscribe creates what config/olm-deploy has, each after it was adjusted.
func (i *installation) subscribe(adjust func(object *unstructured.Unstructured)) {
	i.Helper()
	for _, object := range i.deployFolder() {
		adjust(object)
		err := i.admin.Create(i.Context(), object)
		if apierrors.IsAlreadyExists(err) {
			continue
		}
		i.Expect(err).NotTo(HaveOccurred(), object.GetKind())
	}
}

// startingWith has a Subscription begin with a version, and wait with each upgrade until
// it is approved.
func (i *installation) startingWith(release *release) func(*unstructured.Unstructured) {
	return func(object *unstructured.Unstructured) {
		if object.GetKind() == "Subscription" {
			spec := i.specOf(object)
			spec["startingCSV"], spec["installPlanApproval"] = release.csv, "Manual"
		}
	}
}

// offers has the catalog be another one, as when the next version is published.
func (i *installation) offers(next *catalog) {
	i.Helper()
	for _, object := range i.deployFolder() {
		if object.GetKind() == "CatalogSource" {
			patch := fmt.Appendf(nil, `{"spec":{"address":%q}}`, next.address)
			i.Expect(i.admin.Patch(i.Context(), object, client.RawPatch(mergePatch, patch))).To(Succeed())
		}
	}
}

// approve approves the InstallPlan of a version, once OLM asks for that.
func (i *installation) approve(release *release) {
	i.Helper()
	i.Eventually(i.phaseOf(i.planOf(release))).Should(HavePrefix("RequiresApproval"))
	i.Expect(i.admin.Patch(i.Context(), i.planOf(release), client.RawPatch(mergePatch, []byte(`{"spec":{"approved":true}}`)))).To(Succeed())
}

// planOf waits until the InstallPlan of the Subscription is that of a version.
func (i *installation) planOf(release *release) *unstructured.Unstructured {
	i.Helper()
	subscription, plan := i.object("Subscription", "five-spot"), i.object("InstallPlan", "")
	i.Eventually(func() ([]string, error) {
		if err := i.admin.Get(i.Context(), client.ObjectKeyFromObject(subscription), subscription); err != nil {
			return nil, err
		}
		name, found, err := unstructured.NestedString(subscription.Object, "status", "installPlanRef", "name")
		if err != nil || !found {
			return nil, err
		}
		if err := i.admin.Get(i.Context(), client.ObjectKey{Namespace: i.namespace, Name: name}, plan); err != nil {
			return nil, client.IgnoreNotFound(err)
		}
		names, _, err := unstructured.NestedStringSlice(plan.Object, "spec", "clusterServiceVersionNames")
		return names, err
	}).Should(ContainElement(release.csv), "the InstallPlan")
	return plan
}

// isInstalled waits until OLM has installed a version, and all of it: a
// ClusterServiceVersion succeeds without the manifests that OLM could not create.
func (i *installation) isInstalled(release *release) {
	i.Helper()
	plan := i.planOf(release)
	i.Eventually(i.phaseOf(plan, "Failed")).Should(HavePrefix("Complete"))
	i.Eventually(i.phaseOf(i.csv(release))).Should(HavePrefix("Succeeded"))
}

// upgrade has OLM upgrade to a version, and waits until the one before is gone.
func (i *installation) upgrade(before, to *release) {
	i.Helper()
	i.approve(to)
	i.isInstalled(to)
	replaced := i.csv(before)
	i.Eventually(func() error { return i.admin.Get(i.Context(), client.ObjectKeyFromObject(replaced), replaced) }).
		Should(MatchError(apierrors.IsNotFound, "NotFound"))
}

func (i *installation) csv(release *release) *unstructured.Unstructured {
	return i.object("ClusterServiceVersion", release.csv)
}

// object is one of OLM's in the namespace, by its key.
func (i *installation) object(kind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "operators.coreos.com", Version: "v1alpha1", Kind: kind})
	object.SetNamespace(i.namespace)
	object.SetName(name)
	return object
}

// phaseOf reads the phase of an object of OLM's and what it says about it, for Eventually,
// which gives up in one of the final phases.
func (i *installation) phaseOf(object *unstructured.Unstructured, final ...string) func() (string, error) {
	return func() (string, error) {
		if err := i.admin.Get(i.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return "", client.IgnoreNotFound(err)
		}
		status, _, err := unstructured.NestedMap(object.Object, "status")
		if err != nil {
			return "", err
		}
		phase, _, err := unstructured.NestedString(status, "phase")
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("%s: %v %v", phase, status["message"], status["conditions"])
		if slices.Contains(final, phase) {
			return "", StopTrying(text)
		}
		return text, nil
	}
}
