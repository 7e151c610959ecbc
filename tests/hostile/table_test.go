package hostile_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"sigs.k8s.io/yaml"
)

// attack is a row of the table: what somebody sends, and what becomes of it.
type attack struct {
	// change is a merge patch, as YAML, over a manifest that is in order.
	change string

	// grow changes the manifest further, for what is too long or too odd to write down.
	grow func(manifest map[string]any)

	// raw changes its JSON, for what no encoder would write.
	raw func(document string) string

	// refused is the field that a refusal has to name, of the API server or of the
	// manager; empty when the manifest does no harm.
	refused string

	// harmless says why it does none.
	harmless string

	// stored is what must hold for the object that the API server keeps; nil where
	// there is nothing special about it.
	stored func(object map[string]any) bool
}

// manifest is in order: its machine is always in its window.
const manifest = `
apiVersion: 5spot.finos.org/v1alpha1
kind: ScheduledMachine
metadata: {}
spec:
  clusterName: trading
  schedule:
    daysOfWeek: [mon-sun]
    hoursOfDay: ["0-23"]
  bootstrapSpec:
    apiVersion: bootstrap.cluster.x-k8s.io/v1beta1
    kind: K0sWorkerConfig
    spec:
      version: v1.30.0+k0s.0
  infrastructureSpec:
    apiVersion: infrastructure.cluster.x-k8s.io/v1beta1
    kind: RemoteMachine
    spec:
      address: 192.0.2.7
`

// attacks are all rows, by their sentences.
func attacks() map[string]attack {
	all := map[string]attack{}
	for _, part := range []map[string]attack{
		metadataAttacks, ownershipAttacks, scheduleAttacks, zoneAttacks, providerAttacks, secretAttacks,
		templateAttacks, taintAttacks, sizeAttacks, shapeAttacks, injectionAttacks(),
	} {
		for sentence, a := range part {
			if _, taken := all[sentence]; taken {
				panic("two rows say: " + sentence)
			}
			all[sentence] = a
		}
	}
	return all
}

// sentences are those of the rows, in an order that stays the same.
func sentences() []string { return slices.Sorted(maps.Keys(attacks())) }

// document is what is sent: the JSON of the manifest, under a name of its own where the
// row gives none.
func (a attack) document(tb testing.TB, namespace, name string) string {
	tb.Helper()
	object := map[string]any{}
	base, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		tb.Fatal(err)
	}
	if a.change != "" {
		patch, err := yaml.YAMLToJSONStrict([]byte(a.change))
		if err != nil {
			tb.Fatalf("the change: %v", err)
		}
		if base, err = jsonpatch.MergePatch(base, patch); err != nil {
			tb.Fatalf("the change: %v", err)
		}
	}
	if err := json.Unmarshal(base, &object); err != nil {
		tb.Fatal(err)
	}
	metadata := object["metadata"].(map[string]any)
	if metadata["name"] == nil && metadata["generateName"] == nil {
		metadata["name"] = name
	}
	if metadata["namespace"] == nil {
		metadata["namespace"] = namespace
	}
	if a.grow != nil {
		a.grow(object)
	}
	encoded, err := json.Marshal(object)
	if err != nil {
		tb.Fatal(err)
	}
	if a.raw != nil {
		return a.raw(string(encoded))
	}
	return string(encoded)
}

func TestTheTableHasAHundredRowsAndEachSaysWhatBecomesOfIt(t *testing.T) {
	t.Parallel()
	if rows := len(attacks()); rows < 100 {
		t.Errorf("the table has %d rows", rows)
	}
	sent := map[string]string{}
	for sentence, a := range attacks() {
		if (a.refused == "") == (a.harmless == "") {
			t.Errorf("%s: it is either refused or harmless", sentence)
		}
		document := a.document(t, "a", "b")
		if twin, ok := sent[document]; ok {
			t.Errorf("%q and %q are the same", sentence, twin)
		}
		sent[document] = sentence
	}
}

// put sets a value at a path, and makes the objects on the way.
func put(value any, path ...string) func(map[string]any) {
	return func(object map[string]any) {
		parent := object
		for _, key := range path[:len(path)-1] {
			child, ok := parent[key].(map[string]any)
			if !ok {
				child = map[string]any{}
				parent[key] = child
			}
			parent = child
		}
		parent[path[len(path)-1]] = value
	}
}

// replaced replaces a part of the JSON, which has to be there.
func replaced(old, with string) func(string) string {
	return func(document string) string {
		if !strings.Contains(document, old) {
			panic("there is no " + old)
		}
		return strings.Replace(document, old, with, 1)
	}
}

// several is a list of so many equal values.
func several(n int, value any) []any { return slices.Repeat([]any{value}, n) }

// numbered is an object with so many fields.
func numbered(n int, value any) map[string]any {
	object := map[string]any{}
	for i := range n {
		object[fmt.Sprintf("f%d", i)] = value
	}
	return object
}

// nested is a value in so many objects.
func nested(levels int) any {
	var value any = "bottom"
	for range levels {
		value = map[string]any{"a": value}
	}
	return value
}

func infrastructure(fields string) string { return "{spec: {infrastructureSpec: {" + fields + "}}}" }

func scheduled(fields string) string { return "{spec: {schedule: {" + fields + "}}}" }

func another(form string) string {
	return scheduled("daysOfWeek: null, hoursOfDay: null, " + form)
}
