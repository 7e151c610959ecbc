package generate_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/tools/bundle/generate"
	"github.com/finos/five-spot/tools/bundle/rendered"
)

const small = `
apiVersion: operators.coreos.com/v1alpha1
kind: ClusterServiceVersion
metadata: {name: five-spot.v0.0.0, annotations: {createdAt: "2026-11-28T00:00:00Z"}}
spec: {displayName: 5-Spot}
---
apiVersion: scorecard.operatorframework.io/v1alpha3
kind: Configuration
metadata: {name: config}
---
apiVersion: v1
kind: Namespace
metadata: {name: system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: manager, namespace: system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: scraper, namespace: system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: manager, namespace: system}
spec: {template: {spec: {serviceAccountName: manager, containers: [{name: manager, image: "five-spot:v1"}]}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: machines}
rules: [{apiGroups: [cluster.x-k8s.io], resources: [machines], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: people}
rules: [{apiGroups: [5spot.finos.org], resources: [scheduledmachines], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: machines}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: machines}
subjects: [{kind: ServiceAccount, name: manager, namespace: system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: lease, namespace: system}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: lease, namespace: system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: lease}
subjects: [{kind: ServiceAccount, name: manager, namespace: system}]
`

// bundle is made of the small manifests with the replacements made.
func bundle(t *testing.T, replace ...string) (generate.Files, error) {
	t.Helper()
	text := strings.NewReplacer(replace...).Replace(small)
	if len(replace) > 0 && text == small {
		t.Fatalf("nothing to replace: %q", replace)
	}
	var all []*unstructured.Unstructured
	for document := range strings.SplitSeq(text, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		all = append(all, object)
	}
	objects, err := rendered.Sort(all)
	if err != nil {
		return nil, err
	}
	return generate.Bundle(objects, generate.Options{Version: "1.2.3"})
}

func TestWhatBecomesOfEachObject(t *testing.T) {
	t.Parallel()
	files, err := bundle(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"manifests/five-spot.clusterserviceversion.yaml", "metadata/annotations.yaml", "tests/scorecard/config.yaml",
		"manifests/people_rbac.authorization.k8s.io_v1_clusterrole.yaml", "manifests/scraper_v1_serviceaccount.yaml",
	} {
		if files[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if len(files) != 5 {
		t.Errorf("%d files", len(files))
	}
	if strings.Contains(string(files["manifests/scraper_v1_serviceaccount.yaml"]), "namespace") {
		t.Error("the namespace is for OLM to choose")
	}
	csv := string(files["manifests/five-spot.clusterserviceversion.yaml"])
	for _, want := range []string{
		"name: five-spot.v1.2.3\n", "version: 1.2.3\n", "containerImage: five-spot:v1\n", "clusterPermissions:\n", "- machines\n", "- leases\n", "displayName: 5-Spot\n",
	} {
		if !strings.Contains(csv, want) {
			t.Errorf("%q is not in it:\n%s", want, csv)
		}
	}
	for _, refused := range []string{"cleanup", "scheduledmachines", "status"} {
		if strings.Contains(csv, refused) {
			t.Errorf("%q is in it:\n%s", refused, csv)
		}
	}
}

func TestWhatABundleCannotHaveIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		replace []string
		want    string
	}{
		"a kind that OLM does not create": {[]string{"kind: ClusterRole\nmetadata: {name: people}", "kind: ValidatingAdmissionPolicy\nmetadata: {name: people}"}, "ValidatingAdmissionPolicy people: a bundle must not have this kind"},
		"a kind that a cluster may lack":  {[]string{"kind: ClusterRole\nmetadata: {name: people}", "kind: ServiceMonitor\nmetadata: {name: people}"}, "ServiceMonitor people: a bundle must not have this kind"},
		"a role that is not there":        {[]string{"metadata: {name: machines}\nrules", "metadata: {name: other}\nrules"}, "ClusterRoleBinding machines: roleRef names ClusterRole machines, which is not there"},
		"a role of another namespace":     {[]string{"metadata: {name: lease, namespace: system}\nrules", "metadata: {name: lease, namespace: other}\nrules"}, "RoleBinding lease: roleRef names Role lease, which is not there"},
		"a binding of others, too":        {[]string{"subjects: [{kind: ServiceAccount, name: manager, namespace: system}]", "subjects: [{kind: ServiceAccount, name: manager}, {kind: User, name: me}]"}, "subjects must not be both"},
		"no account":                      {[]string{"serviceAccountName: manager, ", ""}, "spec.template.spec.serviceAccountName is empty"},
		"no image":                        {[]string{`image: "five-spot:v1"`, "command: [five-spot]"}, "image manager: is empty"},
		"two images of one name":          {[]string{`image: "five-spot:v1"`, `image: "five-spot:v1", env: [{name: RELATED_IMAGE_MANAGER, value: other}]`}, "image manager: two containers or variables have this name"},
		"a field that there is not":       {[]string{"displayName:", "displayname:"}, `the ClusterServiceVersion is none`},
		"no date":                         {[]string{`createdAt: "2026-11-28T00:00:00Z"`, "a: b"}, `createdAt ""`},
		"no ClusterServiceVersion":        {[]string{"kind: ClusterServiceVersion", "kind: Subscription"}, "there is no object of kind operators.coreos.com/ClusterServiceVersion"},
		"two of them":                     {[]string{"apiVersion: v1\nkind: Namespace", "apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion"}, "there are two objects of kind ClusterServiceVersion"},
		"two objects of one name":         {[]string{"metadata: {name: machines}\nrules", "metadata: {name: people}\nrules", "ClusterRole, name: machines", "ClusterRole, name: view", "name: manager, namespace: system}]", "name: other}]"}, "two objects would be written to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := bundle(t, c.replace...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
}

func TestTheLabelsOfTheImageAreTheAnnotations(t *testing.T) {
	t.Parallel()
	files, err := bundle(t)
	if err != nil {
		t.Fatal(err)
	}
	annotations := struct {
		Annotations map[string]string `json:"annotations"`
	}{}
	if err := yaml.UnmarshalStrict(files["metadata/annotations.yaml"], &annotations); err != nil {
		t.Fatal(err)
	}
	good := strings.Builder{}
	good.WriteString("FROM scratch\nCOPY bundle/manifests /manifests/\nCOPY bundle/metadata /metadata/\nCOPY bundle/tests/scorecard /tests/scorecard/\n")
	for key, value := range annotations.Annotations {
		good.WriteString("LABEL " + key + "=" + value + "\n")
	}
	if err := generate.CheckDockerfile(good.String()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"another value":  {"channel.default.v1=stable", "channel.default.v1=fast", `channel.default.v1: is "fast" instead of "stable"`},
		"no label":       {"LABEL com.redhat.openshift.versions=v4.17", "", `com.redhat.openshift.versions: is "" instead of "v4.17"`},
		"one more":       {"FROM scratch\n", "FROM scratch\nLABEL operators.operatorframework.io.metrics.builder=operator-sdk\n", "metrics.builder: is not part of a bundle"},
		"another folder": {"COPY bundle/metadata", "COPY metadata", `COPY to /metadata/: is "metadata" instead of "bundle/metadata"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := generate.CheckDockerfile(strings.ReplaceAll(good.String(), c.old, c.new))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
}

func TestStaleFilesAreFoundAndRemoved(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	before := generate.Files{"manifests/old.yaml": []byte("a"), "metadata/annotations.yaml": []byte("b")}
	after := generate.Files{"manifests/new.yaml": []byte("a"), "metadata/annotations.yaml": []byte("c")}
	err := generate.Differences(after, before)
	for _, want := range []string{"manifests/new.yaml: is missing", "manifests/old.yaml: is not made from config", "metadata/annotations.yaml: is not what config makes of it"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	for _, files := range []generate.Files{before, after} {
		if err := files.Save(folder); err != nil {
			t.Fatal(err)
		}
	}
	saved, err := generate.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := generate.Differences(after, saved); err != nil {
		t.Error(err)
	}
}
