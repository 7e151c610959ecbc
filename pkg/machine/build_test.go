package machine

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

func buildMachine(t *testing.T, sm *v1alpha1.ScheduledMachine) *clusterv1.Machine {
	t.Helper()
	return BuildMachine(sm, cluster(), present(t, sm, sm.Spec.BootstrapSpec), present(t, sm, sm.Spec.InfrastructureSpec))
}

func TestBuildMachine(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	want := &clusterv1.Machine{
		TypeMeta: metav1.TypeMeta{APIVersion: "cluster.x-k8s.io/v1beta2", Kind: "Machine"},
		ObjectMeta: metav1.ObjectMeta{
			Name:      "desk-7",
			Namespace: "desks",
			Labels: map[string]string{
				"5spot.finos.org/scheduled-machine": "desk-7",
				"cluster.x-k8s.io/cluster-name":     "night",
			},
			Annotations: map[string]string{"5spot.finos.org/spec-hash": SpecHash(sm), "5spot.finos.org/owner-uid": string(smUID)},
			OwnerReferences: []metav1.OwnerReference{
				{
					APIVersion: "5spot.finos.org/v1alpha1", Kind: "ScheduledMachine", Name: "desk-7", UID: smUID,
					Controller: new(true), BlockOwnerDeletion: new(true),
				},
				{APIVersion: "cluster.x-k8s.io/v1beta2", Kind: "Cluster", Name: "night", UID: cluster().UID},
			},
		},
		Spec: clusterv1.MachineSpec{
			ClusterName: "night",
			Bootstrap: clusterv1.Bootstrap{ConfigRef: clusterv1.ContractVersionedObjectReference{
				APIGroup: "bootstrap.cluster.x-k8s.io", Kind: "K0sWorkerConfig", Name: "desk-7",
			}},
			InfrastructureRef: clusterv1.ContractVersionedObjectReference{
				APIGroup: "infrastructure.cluster.x-k8s.io", Kind: "RemoteMachine", Name: "desk-7",
			},
			Deletion: clusterv1.MachineDeletionSpec{
				NodeDrainTimeoutSeconds:        new(int32(300)),
				NodeVolumeDetachTimeoutSeconds: new(int32(300)),
				NodeDeletionTimeoutSeconds:     new(int32(60)),
			},
		},
	}
	if diff := cmp.Diff(want, buildMachine(t, sm)); diff != "" {
		t.Errorf("Machine (-want +got):\n%s", diff)
	}
}

// The ScheduledMachine must not control its parts, since Cluster API makes the
// Machine their controller.
func TestBuildProviderObject(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	built, err := BuildProviderObject(sm, sm.Spec.InfrastructureSpec, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2",
		"kind":       "RemoteMachine",
		"metadata": map[string]any{
			"name":      "desk-7",
			"namespace": "desks",
			"labels": map[string]any{
				"5spot.finos.org/scheduled-machine": "desk-7",
				"cluster.x-k8s.io/cluster-name":     "night",
			},
			"annotations": map[string]any{"5spot.finos.org/spec-hash": SpecHash(sm)},
			"ownerReferences": []any{map[string]any{
				"apiVersion": "5spot.finos.org/v1alpha1", "kind": "ScheduledMachine", "name": "desk-7", "uid": string(smUID),
			}},
		},
		"spec": map[string]any{"address": "192.0.2.7", "port": int64(22)},
	}
	if diff := cmp.Diff(want, built.Object); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}

// To Cluster API a timeout of 0, like an unset one, means to wait without limit.
func TestDeletionTimeoutsAreAlwaysSetAndNeverZero(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shutdown, drain   v1alpha1.Duration
		wantDetach, wantD int32
	}{
		"both unset":                        {"", "", 300, 300},
		"both given":                        {"10m", "90s", 600, 90},
		"both zero":                         {"0s", "0m", 1, 1},
		"the longest":                       {"24h", "24h", 86400, 86400},
		"the drain fits into the shutdown":  {"2m", "1h", 120, 120},
		"malformed ones become the default": {"soon", "99999999999999h", 300, 300},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := scheduledMachine()
			sm.Spec.GracefulShutdownTimeout, sm.Spec.NodeDrainTimeout = c.shutdown, c.drain
			want := clusterv1.MachineDeletionSpec{
				NodeDrainTimeoutSeconds:        new(c.wantD),
				NodeVolumeDetachTimeoutSeconds: new(c.wantDetach),
				NodeDeletionTimeoutSeconds:     new(int32(60)),
			}
			if diff := cmp.Diff(want, buildMachine(t, sm).Spec.Deletion); diff != "" {
				t.Errorf("deletion (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTemplateMetadataGoesOntoTheMachine(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	sm.Spec.MachineTemplate = &v1alpha1.MachineTemplate{
		Labels: map[string]v1alpha1.LabelValue{
			"node-role.kubernetes.io/desktop":   "",
			"5spot.finos.org/scheduled-machine": "forged",
		},
		Annotations: map[string]v1alpha1.AnnotationValue{
			"example.com/owner":            "desk team",
			"5spot.finos.org/scheduled-by": "five-spot",
		},
	}
	built := buildMachine(t, sm)
	wantLabels := map[string]string{
		"node-role.kubernetes.io/desktop":   "",
		"5spot.finos.org/scheduled-machine": "desk-7",
		"cluster.x-k8s.io/cluster-name":     "night",
	}
	if diff := cmp.Diff(wantLabels, built.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	wantAnnotations := map[string]string{
		"example.com/owner":         "desk team",
		"5spot.finos.org/spec-hash": SpecHash(sm),
		"5spot.finos.org/owner-uid": string(smUID),
	}
	if diff := cmp.Diff(wantAnnotations, built.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	for _, part := range []*unstructured.Unstructured{present(t, sm, sm.Spec.BootstrapSpec), present(t, sm, sm.Spec.InfrastructureSpec)} {
		if _, found := part.GetLabels()["node-role.kubernetes.io/desktop"]; found {
			t.Errorf("the template is for the Machine only, but is on the %s", part.GetKind())
		}
	}
}

func TestSecretIsMergedOverTheSpec(t *testing.T) {
	t.Parallel()
	const spec = `{"address":"192.0.2.7","port":22,"auth":{"user":"root","method":"key"},"tags":["a","b"]}`
	for name, c := range map[string]struct {
		spec, value, want string
		wantErr           error
	}{
		"objects merge, lists are replaced": {spec, "auth: {password: hunter2}\ntags: [c]\n", `{"address":"192.0.2.7","port":22,"auth":{"user":"root","method":"key","password":"hunter2"},"tags":["c"]}`, nil},
		"null takes away":                   {spec, `{"auth":{"method":null},"tags":null}`, `{"address":"192.0.2.7","port":22,"auth":{"user":"root"}}`, nil},
		"an empty object changes nothing":   {spec, `{}`, spec, nil},
		"null in a list is a value":         {spec, `{"tags":[{"a":null}]}`, `{"address":"192.0.2.7","port":22,"auth":{"user":"root","method":"key"},"tags":[{"a":null}]}`, nil},
		"an absent spec is empty":           {``, `user: root`, `{"user":"root"}`, nil},
		"large numbers stay exact":          {`{"n":9007199254740993}`, `m: 9007199254740995`, `{"n":9007199254740993,"m":9007199254740995}`, nil},
		"a string":                          {spec, `hunter2`, "", errSecretNotObject},
		"a list":                            {spec, `[hunter2]`, "", errSecretNotObject},
		"null":                              {spec, `null`, "", errSecretNotObject},
		"nothing":                           {spec, ``, "", errSecretNotObject},
		"neither YAML nor JSON":             {spec, "{hunter2: [", "", errSecretNotObject},
		"a key twice":                       {spec, "a: 1\na: hunter2\n", "", errSecretNotObject},
		"a spec that is not an object":      {`["hunter2"]`, `{}`, "", errSpecNotObject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			obj := v1alpha1.ProviderObject{Kind: "RemoteMachine", SecretRef: &v1alpha1.SecretReference{Name: "ssh"}}
			if c.spec != "" {
				obj.Spec = &runtime.RawExtension{Raw: []byte(c.spec)}
			}
			built, err := BuildProviderObject(scheduledMachine(), obj, []byte(c.value))
			if c.wantErr != nil {
				if !errors.Is(err, c.wantErr) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("error %v, want %v and no secret", err, c.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := jsonObject([]byte(c.want))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, built.Object["spec"]); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}

// A new release with another hash would show every running machine as changed.
func TestSpecHashIsTheSameInEveryRelease(t *testing.T) {
	t.Parallel()
	if got, want := SpecHash(scheduledMachine()), "b13919b9d2375965e7467096e3228f98"; got != want {
		t.Errorf("SpecHash = %s, want %s", got, want)
	}
}

func TestSpecHashTellsWhatMakesADifference(t *testing.T) {
	t.Parallel()
	template := func(sm *v1alpha1.ScheduledMachine) *v1alpha1.MachineTemplate {
		sm.Spec.MachineTemplate = &v1alpha1.MachineTemplate{}
		return sm.Spec.MachineTemplate
	}
	base := SpecHash(withSecretRef(scheduledMachine()))
	for name, c := range map[string]struct {
		change  func(*v1alpha1.ScheduledMachine)
		differs bool
	}{
		"nothing": {func(*v1alpha1.ScheduledMachine) {}, false},
		"the order of keys": {func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.InfrastructureSpec.Spec.Raw = []byte("{\"port\": 22,\n \"address\":\"192.0.2.7\"}")
		}, false},
		"a default written out": {func(sm *v1alpha1.ScheduledMachine) { sm.Spec.InfrastructureSpec.SecretRef.Key = "spec" }, false},
		"an empty template":     {func(sm *v1alpha1.ScheduledMachine) { template(sm) }, false},
		"the dropped annotation": {func(sm *v1alpha1.ScheduledMachine) {
			template(sm).Annotations = map[string]v1alpha1.AnnotationValue{v1alpha1.ScheduledByAnnotation: "x"}
		}, false},
		"the schedule": {func(sm *v1alpha1.ScheduledMachine) { sm.Spec.Schedule.Timezone = "Europe/Berlin" }, false},
		"a timeout":    {func(sm *v1alpha1.ScheduledMachine) { sm.Spec.NodeDrainTimeout = "1s" }, false},
		"the status":   {func(sm *v1alpha1.ScheduledMachine) { sm.Status.Phase = v1alpha1.PhaseActive }, false},
		"a value": {func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.InfrastructureSpec.Spec.Raw = []byte(`{"address":"192.0.2.8","port":22}`)
		}, true},
		"a spec that is not JSON": {func(sm *v1alpha1.ScheduledMachine) { sm.Spec.InfrastructureSpec.Spec.Raw = []byte(`{`) }, true},
		"an apiVersion": {func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.BootstrapSpec.APIVersion = "bootstrap.cluster.x-k8s.io/v1beta1"
		}, true},
		"a kind":                {func(sm *v1alpha1.ScheduledMachine) { sm.Spec.BootstrapSpec.Kind = "KubeadmConfig" }, true},
		"the Secret":            {func(sm *v1alpha1.ScheduledMachine) { sm.Spec.InfrastructureSpec.SecretRef.Name = "other" }, true},
		"the key of the Secret": {func(sm *v1alpha1.ScheduledMachine) { sm.Spec.InfrastructureSpec.SecretRef.Key = "other" }, true},
		"the Secret moved over": {func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.BootstrapSpec.SecretRef, sm.Spec.InfrastructureSpec.SecretRef = sm.Spec.InfrastructureSpec.SecretRef, nil
		}, true},
		"a label": {func(sm *v1alpha1.ScheduledMachine) { template(sm).Labels = map[string]v1alpha1.LabelValue{"a": "b"} }, true},
		"an annotation": {func(sm *v1alpha1.ScheduledMachine) {
			template(sm).Annotations = map[string]v1alpha1.AnnotationValue{"a": "b"}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := withSecretRef(scheduledMachine())
			c.change(sm)
			if got := SpecHash(sm) != base; got != c.differs {
				t.Errorf("differs = %t, want %t", got, c.differs)
			}
		})
	}
}
