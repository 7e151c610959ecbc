package provision

import (
	"embed"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/finos/five-spot/pkg/operand"
)

//go:embed manifests
var manifests embed.FS

// The files in the order in which they are written: the policy before anything that it
// is to hold back, and the DaemonSet when all is there that its Pods need.
var (
	policyFiles = []string{"validating_admission_policy.yaml", "validating_admission_policy_binding.yaml"}
	rightsFiles = []string{
		"service_account.yaml",
		"cluster_role.yaml", "cluster_role_binding.yaml",
		"role.yaml", "role_binding.yaml",
		"events_role.yaml", "events_role_binding.yaml",
	}
	openShiftFiles = []string{"openshift/role.yaml", "openshift/role_binding.yaml"}
)

const (
	namespaceFile = "namespace.yaml"
	daemonSetFile = "daemonset.yaml"
)

var (
	errNamespace = errors.New("not the name of a namespace")
	errShape     = errors.New("the manifest has not the expected shape")
)

// objects are what is to be in a workload cluster.
type objects struct {
	policy    []*unstructured.Unstructured
	namespace *unstructured.Unstructured
	rights    []*unstructured.Unstructured
	daemonSet *unstructured.Unstructured
}

// all are the objects in the order in which they are to be written.
func (o *objects) all() []*unstructured.Unstructured {
	all := append([]*unstructured.Unstructured{}, o.policy...)
	all = append(all, o.namespace)
	all = append(all, o.rights...)
	return append(all, o.daemonSet)
}

// render reads the manifests for one namespace.
func (p *Provisioner) render(namespace string, openShift bool) (*objects, error) {
	if errs := validation.IsDNS1123Label(namespace); len(errs) > 0 {
		return nil, fmt.Errorf("%w: %q: %s", errNamespace, namespace, strings.Join(errs, "; "))
	}
	files := rightsFiles
	if openShift {
		files = append(append([]string{}, rightsFiles...), openShiftFiles...)
	}
	var rendered objects
	var err error
	if rendered.policy, err = p.read(namespace, policyFiles...); err != nil {
		return nil, err
	}
	if rendered.rights, err = p.read(namespace, files...); err != nil {
		return nil, err
	}
	others, err := p.read(namespace, namespaceFile, daemonSetFile)
	if err != nil {
		return nil, err
	}
	rendered.namespace, rendered.daemonSet = others[0], others[1]
	return &rendered, p.setImage(rendered.daemonSet)
}

func (p *Provisioner) read(namespace string, files ...string) ([]*unstructured.Unstructured, error) {
	var read []*unstructured.Unstructured
	for _, file := range files {
		text, err := manifests.ReadFile("manifests/" + file)
		if err != nil {
			return nil, fmt.Errorf("failed to read the manifest %s: %w", file, err)
		}
		// It is also in the names of users, in the text of the policy.
		text = []byte(strings.ReplaceAll(string(text), DefaultNamespace, namespace))
		object, err := operand.Parse(text, p.options.Version)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		read = append(read, object)
	}
	return read, nil
}

// setImage puts what is configured into the Pods of the DaemonSet.
func (p *Provisioner) setImage(daemonSet *unstructured.Unstructured) error {
	spec, ok, err := unstructured.NestedMap(daemonSet.Object, "spec", "template", "spec")
	if err != nil || !ok {
		return errors.Join(errShape, err)
	}
	containers, ok := spec["containers"].([]any)
	if !ok || len(containers) != 1 {
		return errShape
	}
	container, ok := containers[0].(map[string]any)
	if !ok {
		return errShape
	}
	container["image"] = p.options.Image
	if p.options.PullSecret != "" {
		spec["imagePullSecrets"] = []any{map[string]any{"name": p.options.PullSecret}}
	}
	return unstructured.SetNestedMap(daemonSet.Object, spec, "spec", "template", "spec")
}
