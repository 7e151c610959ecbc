package admission_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// create stores an object, as a client that does not validate fields, and returns
// what the API server made of it.
func create(t *testing.T, object map[string]any, options ...client.CreateOption) map[string]any {
	t.Helper()
	obj := &unstructured.Unstructured{Object: object}
	options = append(options, client.FieldValidation(metav1.FieldValidationIgnore))
	if err := server.client.Create(t.Context(), obj, options...); err != nil {
		t.Fatalf("create: %v", err)
	}
	return obj.Object
}

func TestWhatIsNotGivenHasItsDefault(t *testing.T) {
	t.Parallel()
	needServer(t)
	for name, c := range map[string]struct{ base, change, want string }{
		"of a ScheduledMachine": {
			machineObject, infrastructure(`secretRef: {name: ssh}`),
			`{spec: {priority: 50, gracefulShutdownTimeout: 5m, nodeDrainTimeout: 5m, killSwitch: false,
				schedule: {enabled: true, timezone: UTC, leadTime: 0s}, infrastructureSpec: {secretRef: {name: ssh, key: spec}}}}`,
		},
		"but what is given stays": {
			machineObject,
			`{spec: {priority: 0, gracefulShutdownTimeout: 0s, nodeDrainTimeout: 1s, killSwitch: true, schedule: {enabled: false, timezone: Asia/Tokyo, leadTime: 1m}}}`,
			`{spec: {priority: 0, gracefulShutdownTimeout: 0s, nodeDrainTimeout: 1s, killSwitch: true, schedule: {enabled: false, timezone: Asia/Tokyo, leadTime: 1m}}}`,
		},
		"of a MachineCalendar": {calendarObject, `{spec: {timezone: null}}`, `{spec: {timezone: UTC}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given := patched(t, c.base, c.change)
			want := patched(t, string(encoded(t, given)), c.want)
			got := create(t, given, client.DryRunAll)
			if diff := cmp.Diff(want["spec"], got["spec"]); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownFieldsStayOnlyInProviderSpecs(t *testing.T) {
	t.Parallel()
	needServer(t)
	given := patched(t, machineObject, `{spec: {odd: 1, schedule: {odd: 1}, infrastructureSpec: {odd: 1, namespace: kube-system,
		spec: {odd: {deep: [1, "a"]}}}, bootstrapSpec: {spec: {odd: true}}}}`)
	spec := create(t, given, client.DryRunAll)["spec"].(map[string]any)
	infrastructure, bootstrap := spec["infrastructureSpec"].(map[string]any), spec["bootstrapSpec"].(map[string]any)
	for name, part := range map[string]any{"spec": spec, "schedule": spec["schedule"], "infrastructureSpec": infrastructure} {
		for _, key := range []string{"odd", "namespace"} {
			if _, found := part.(map[string]any)[key]; found {
				t.Errorf("%s still has %q", name, key)
			}
		}
	}
	want := map[string]any{"address": "192.0.2.7", "odd": map[string]any{"deep": []any{int64(1), "a"}}}
	if diff := cmp.Diff(want, infrastructure["spec"]); diff != "" {
		t.Errorf("infrastructureSpec.spec (-want +got):\n%s", diff)
	}
	if bootstrap["spec"].(map[string]any)["odd"] != true {
		t.Errorf("bootstrapSpec.spec: %v", bootstrap["spec"])
	}
}

// The offline schema stands for the API server in the fuzz target.
func TestTheSchemaStoresWhatTheServerStores(t *testing.T) {
	t.Parallel()
	needServer(t)
	for base, sentences := range rows() {
		for sentence, r := range sentences {
			if r.wrong != "" && r.blind != unknownFields || r.before != "" {
				continue
			}
			t.Run(sentence, func(t *testing.T) {
				t.Parallel()
				object, _ := r.objects(t, base)
				want, _ := schemasOf(t, object).stored(object)
				got := maps.Clone(create(t, object, client.DryRunAll))
				if diff := cmp.Diff(want["spec"], got["spec"]); diff != "" {
					t.Errorf("stored (-offline +server):\n%s", diff)
				}
			})
		}
	}
}
