// Package admission says of every field of the two resources what is accepted and
// what is refused, in one table, and holds each layer that judges an object to it: the
// CRD, the admission policies behind it, and the program's own validation.
package admission_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// layer is one of those that judge an object before a machine is touched.
type layer string

const (
	// crd is the schema of the CRD with its CEL rules.
	crd layer = "CRD"

	// policy is the CRD together with the admission policies.
	policy layer = "policy"

	// program is what the controller validates, whatever admission let through.
	program layer = "program"
)

// row is a sentence of the table: a change to an object that every layer accepts,
// and what the layers have to say about it.
type row struct {
	// change is a merge patch, as YAML, over the object.
	change string

	// grow changes the object further, for what is too long or too odd to write down.
	grow func(object map[string]any)

	// before is a merge patch that makes the object as it was, for an update.
	before string

	// wrong is the field at fault, in JSON terms, which a complaint has to name;
	// empty when the object is accepted.
	wrong string

	// says is a part of what the complaint has to say.
	says string

	// blind is why some of the layers accept it nevertheless.
	blind *difference
}

// machineObject is a ScheduledMachine that every layer accepts.
const machineObject = `
apiVersion: 5spot.finos.org/v1alpha1
kind: ScheduledMachine
metadata:
  name: desk-7
  namespace: default
spec:
  clusterName: trading
  schedule:
    daysOfWeek: [mon-fri]
    hoursOfDay: ["9-17"]
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

// calendarObject is a MachineCalendar that every layer accepts.
const calendarObject = `
apiVersion: 5spot.finos.org/v1alpha1
kind: MachineCalendar
metadata:
  name: holidays
spec:
  timezone: UTC
  exceptions:
  - {from: "2026-12-24", to: "2026-12-26", state: Inactive, reason: holidays}
`

// rows of both resources, by the object that they change.
func rows() map[string]map[string]row {
	machines := map[string]row{}
	for _, part := range []map[string]row{
		formRows, windowRows, cronRows, exceptionRows, zoneRows, scheduleRows,
		nameRows, providerRows, templateRows, specRows, taintRows, shapeRows,
	} {
		for sentence, r := range part {
			if _, taken := machines[sentence]; taken {
				panic("two rows say: " + sentence)
			}
			machines[sentence] = r
		}
	}
	return map[string]map[string]row{machineObject: machines, calendarObject: calendarRows}
}

// objects are the object that the row is about and, for an update, the one before.
func (r row) objects(tb testing.TB, base string) (object, before map[string]any) {
	tb.Helper()
	object = patched(tb, base, r.change)
	if r.grow != nil {
		r.grow(object)
	}
	if r.before != "" {
		before = patched(tb, base, r.before)
	}
	return object, before
}

func patched(tb testing.TB, base, change string) map[string]any {
	tb.Helper()
	object, err := patchedObject(base, change)
	if err != nil {
		tb.Fatal(err)
	}
	return object
}

func patchedObject(base, change string) (map[string]any, error) {
	document, err := yaml.YAMLToJSONStrict([]byte(base))
	if err != nil {
		return nil, fmt.Errorf("the object: %w", err)
	}
	if change != "" {
		patch, err := yaml.YAMLToJSONStrict([]byte(change))
		if err != nil {
			return nil, fmt.Errorf("the change: %w", err)
		}
		if document, err = jsonpatch.MergePatch(document, patch); err != nil {
			return nil, fmt.Errorf("the change: %w", err)
		}
	}
	object := map[string]any{}
	return object, utiljson.Unmarshal(document, &object)
}

func decoded(tb testing.TB, document []byte) map[string]any {
	tb.Helper()
	object := map[string]any{}
	if err := utiljson.Unmarshal(document, &object); err != nil {
		tb.Fatalf("decode: %v", err)
	}
	return object
}

// set puts a value at a path below spec.
func set(value any, path ...string) func(map[string]any) {
	return func(object map[string]any) {
		parent := object["spec"].(map[string]any)
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

// several is a list of n equal values.
func several(n int, value any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = value
		if object, ok := value.(map[string]any); ok {
			list[i] = maps.Clone(object)
		}
	}
	return list
}

// numbered is an object of n fields.
func numbered(n int, value any) map[string]any {
	object := map[string]any{}
	for i := range n {
		object[fmt.Sprintf("f%d", i)] = value
	}
	return object
}

// scheduled is a change of fields of spec.schedule.
func scheduled(fields string) string { return "{spec: {schedule: {" + fields + "}}}" }

// form is a change of the schedule to another form than days and hours.
func form(fields string) string {
	return scheduled("daysOfWeek: null, hoursOfDay: null, " + fields)
}

// cron is a change to a cron schedule; without duration when that is empty.
func cron(expression, duration string) string {
	fields := fmt.Sprintf("cron: %q", expression)
	if duration != "" {
		fields += fmt.Sprintf(", duration: %q", duration)
	}
	return form(fields)
}

// complaint is one thing that a layer finds wrong.
type complaint struct {
	field string // in JSON terms; empty where the object could not even be decoded
	text  string
}

// names is whether the complaint is about the field or something in it. Rules of the
// whole object have no field, decoders know no index, and the decoder of time no
// field either.
func (c complaint) names(field string) bool {
	switch c.field {
	case "<nil>":
		return strings.Contains(c.text, field)
	case "":
		last := field[strings.LastIndex(field, ".")+1:]
		last, _, _ = strings.Cut(last, "[")
		return strings.Contains(c.text, last) || last == "until" && strings.Contains(c.text, "parsing time")
	}
	rest, found := strings.CutPrefix(c.field, field)
	return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// check compares what a layer complains about with what the row wants.
func (r row) check(t *testing.T, by layer, complaints []complaint) {
	t.Helper()
	switch {
	case r.wrong == "" || r.blind.blinds(by):
		if len(complaints) > 0 {
			t.Errorf("refused: %s", quoted(complaints))
		}
		return
	case len(complaints) == 0:
		t.Errorf("accepted, want a complaint about %s", r.wrong)
		return
	}
	for _, c := range complaints {
		if c.names(r.wrong) && (by == program && r.says == "" || strings.Contains(c.text, r.says)) {
			return
		}
	}
	t.Errorf("got %s, want one about %s that says %q", quoted(complaints), r.wrong, r.says)
}

func quoted(complaints []complaint) string {
	parts := make([]string, len(complaints))
	for i, c := range complaints {
		parts[i] = fmt.Sprintf("%s: %.300s", c.field, c.text)
	}
	return strings.Join(parts, "; ")
}

func encoded(tb testing.TB, object map[string]any) []byte {
	tb.Helper()
	document, err := json.Marshal(object)
	if err != nil {
		tb.Fatalf("encode: %v", err)
	}
	return document
}
