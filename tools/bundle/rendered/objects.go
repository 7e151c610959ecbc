// Package rendered reads what kustomize makes of config/manifests, and tells the objects
// apart by what becomes of them in a bundle.
package rendered

import (
	"bytes"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Objects are what a kustomization makes, each list in its order.
type Objects struct {
	CSV       *unstructured.Unstructured
	Scorecard *unstructured.Unstructured

	CRDs, Deployments, ServiceAccounts []*unstructured.Unstructured

	Roles, ClusterRoles, RoleBindings, ClusterRoleBindings []*unstructured.Unstructured

	// Examples are objects of the kinds that the CRDs define.
	Examples []*unstructured.Unstructured

	// Others are all the rest.
	Others []*unstructured.Unstructured
}

// Build builds the kustomization in the folder.
func Build(folder string) (*Objects, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, fmt.Errorf("failed to build %s: %w", folder, err)
	}
	all := make([]*unstructured.Unstructured, 0, built.Size())
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return nil, fmt.Errorf("failed to write %s: %w", resource.CurId(), err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &object.Object); err != nil {
			return nil, fmt.Errorf("failed to read %s: %w", resource.CurId(), err)
		}
		all = append(all, object)
	}
	return Sort(all)
}

// Sort tells the objects apart. There must be one ClusterServiceVersion and one
// configuration of the scorecard.
func Sort(all []*unstructured.Unstructured) (*Objects, error) {
	objects, defined := &Objects{}, map[string]bool{}
	for _, object := range all {
		if object.GetKind() == "CustomResourceDefinition" {
			group, _, _ := unstructured.NestedString(object.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(object.Object, "spec", "names", "kind")
			defined[group+"/"+kind] = true
		}
	}
	lists := map[string]*[]*unstructured.Unstructured{
		"apiextensions.k8s.io/CustomResourceDefinition": &objects.CRDs,
		"apps/Deployment":                              &objects.Deployments,
		"/ServiceAccount":                              &objects.ServiceAccounts,
		"rbac.authorization.k8s.io/Role":               &objects.Roles,
		"rbac.authorization.k8s.io/ClusterRole":        &objects.ClusterRoles,
		"rbac.authorization.k8s.io/RoleBinding":        &objects.RoleBindings,
		"rbac.authorization.k8s.io/ClusterRoleBinding": &objects.ClusterRoleBindings,
	}
	singles := map[string]**unstructured.Unstructured{
		"operators.coreos.com/ClusterServiceVersion":   &objects.CSV,
		"scorecard.operatorframework.io/Configuration": &objects.Scorecard,
	}
	for _, object := range all {
		kind := object.GroupVersionKind()
		name := kind.Group + "/" + kind.Kind
		if single, ok := singles[name]; ok {
			if *single != nil {
				return nil, fmt.Errorf("there are two objects of kind %s: %s and %s", kind.Kind, (*single).GetName(), object.GetName())
			}
			*single = object
			continue
		}
		list, ok := lists[name]
		switch {
		case ok:
		case defined[name]:
			list = &objects.Examples
		default:
			list = &objects.Others
		}
		*list = append(*list, object)
	}
	for name, single := range singles {
		if *single == nil {
			return nil, fmt.Errorf("there is no object of kind %s", name)
		}
	}
	return objects, nil
}

// Write writes the objects as a stream of YAML, as operator-sdk takes it.
func (o *Objects) Write(to io.Writer) error {
	all := []*unstructured.Unstructured{o.CSV, o.Scorecard}
	for _, list := range [][]*unstructured.Unstructured{
		o.CRDs, o.ServiceAccounts, o.Roles, o.ClusterRoles, o.RoleBindings, o.ClusterRoleBindings, o.Deployments, o.Others, o.Examples,
	} {
		all = append(all, list...)
	}
	stream := bytes.Buffer{}
	for _, object := range all {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return fmt.Errorf("failed to write %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		stream.WriteString("---\n")
		stream.Write(text)
	}
	_, err := stream.WriteTo(to)
	return err
}
