package admission_test

import (
	"encoding/json"
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/finos/five-spot/api/v1alpha1"
)

var randomObjects = flag.Int("random-objects", 2000, "how many random objects the layers judge")

// words are what a random object is made of, beside what the rows are made of.
var words = []string{
	"", " ", "0", "-1", "a", "A", "ü", "\x00", "\n", "\x1b[31m", "mon", "sun-mon", " mon - tue ", "9", "09-9", "24", "*", "* * * * *",
	"0 0 * * *", "@daily", "@every 1h", "TZ=UTC 0 0 * * *", "0s", "1s", "24h", "7200s", "121m", "0000000000000001m", "99999999999999h",
	"00:00", "24:00", "23:59", "2026-02-28", "2026-02-29", "0000-01-01", "9999-12-31", "UTC", "Local", "Asia/Tokyo", "utc", "A/../UTC",
	"2026-12-24T18:00:00Z", "2026-12-24t18:00:00z", "2026-12-24T18:00:00.5+23:59", "2026-12-24T24:00:00Z", "1000-01-01T00:00:00+14:00",
	"Active", "Inactive", "NoSchedule", "a/b", "a..b", "..", ".a", "a.b/c", "kubernetes.io/x", "k0smotron.io/v1", "k0smotron.io/v1beta1", "v1", "K",
	"a.kubernetes.io/x", "akubernetes.io/x", "topology.kubernetes.io/zone", "a.topology.kubernetes.io/x", "node-role.kubernetes.io/worker", "a.node-role.kubernetes.io/x",
	"node-role.kubernetes.io/Master", "node-role.kubernetes.io/etcd", "node-role.kubernetes.io/control-plane", "node.cluster.x-k8s.io/x", "a.node.cluster.x-k8s.io/x",
	"node-restriction.kubernetes.io/x", "a.node-restriction.kubernetes.io/x", "cluster.x-k8s.io/x", "5spot.finos.org/scheduled-by", "5spot.finos.org/x", "a.k8s.io/x",
	"node.kubernetes.io/x", "apps/v1", "a.k0smotron.io/v1", "infrastructure.cluster.x-k8s.io/v1", "kubernetes.io/a/b", "k8s.io/", "/k8s.io", "Kubernetes.io/x",
	strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 253), strings.Repeat("a", 254), dns(253) + "/k", dns(254) + "/k",
}

// place is where a value sits in an object, and how to put another there.
type place struct {
	value any
	put   func(any)
	drop  func()
}

// places are all places in and below spec, in an order that is always the same.
func places(value any, list []place) []place {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			list = append(list, place{value[key], func(v any) { value[key] = v }, func() { delete(value, key) }})
			list = places(value[key], list)
		}
	case []any:
		for i := range value {
			list = append(list, place{value[i], func(v any) { value[i] = v }, func() { value[i] = nil }})
			list = places(value[i], list)
		}
	}
	return list
}

// mutate changes an object at a random place in a random way.
func mutate(random *rand.Rand, object map[string]any, text string) {
	all := places(object["spec"], nil)
	if len(all) == 0 {
		return
	}
	at, other := all[random.IntN(len(all))], all[random.IntN(len(all))]
	switch random.IntN(10) {
	case 0:
		at.drop()
	case 1:
		at.put([]any{nil, true, "", int64(random.IntN(600) - 150), 0.5, map[string]any{}, []any{}}[random.IntN(7)])
	case 2:
		at.put(copied(other.value))
	case 3:
		at.put(text)
	case 4, 5, 6:
		at.put(words[random.IntN(len(words))])
	case 7:
		if value, ok := at.value.(string); ok {
			cut := random.IntN(len(value) + 1)
			at.put(value[:cut] + words[random.IntN(len(words))] + value[cut:])
		}
	case 8:
		if value, ok := at.value.([]any); ok {
			at.put(append(slices.Clone(value), several(random.IntN(110), copied(other.value))...))
		}
	case 9:
		if value, ok := at.value.(map[string]any); ok {
			value[append(words, text)[random.IntN(len(words)+1)]] = copied(other.value)
		}
	}
}

func copied(value any) any {
	document, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	var clone any
	if err := utiljson.Unmarshal(document, &clone); err != nil {
		return nil
	}
	return clone
}

// full is a change that gives every optional field of a ScheduledMachine.
const full = `{spec: {schedule: {daysOfWeek: null, hoursOfDay: null, timezone: Europe/London, enabled: true, leadTime: 15m, calendarRef: {name: uk},
	windows: [{days: [mon, tue-thu], start: "08:00", end: "18:30"}, {days: [fri], start: "20:00", end: "08:00", endDay: mon}],
	exceptions: [{from: "2026-12-24", to: "2026-12-26", state: Inactive, reason: holidays}],
	override: {state: Active, until: "2026-12-24T18:00:00Z", reason: maintenance}},
	infrastructureSpec: {secretRef: {name: ssh, key: spec}},
	machineTemplate: {labels: {team: quant, node.cluster.x-k8s.io/pool: desks}, annotations: {example.com/note: text}},
	priority: 80, gracefulShutdownTimeout: 15m, nodeDrainTimeout: 10m, killSwitch: false,
	nodeTaints: [{key: example.com/dedicated, value: batch, effect: NoSchedule}], killIfCommands: [idea, /usr/bin/matlab]}}`

// FuzzTheLayersAgree compares the verdicts of the CRD, the policies and the program.
func FuzzTheLayersAgree(f *testing.F) {
	// With the coverage of an API server's libraries the fuzzer is slow: it gets a part
	// of the table to begin with. The test below begins with all of it.
	for i, document := range seeds(f) {
		if i%10 == 0 {
			f.Add(document, uint64(i), words[i%len(words)])
		}
	}
	f.Fuzz(func(t *testing.T, document string, seed uint64, text string) {
		object := map[string]any{}
		if utiljson.Unmarshal([]byte(document), &object) != nil || len(document) > 1<<13 {
			return
		}
		if kind := object["kind"]; kind != "ScheduledMachine" && kind != "MachineCalendar" {
			return
		}
		// The API server judges these by itself, before the CRD.
		object["apiVersion"], object["metadata"] = v1alpha1.GroupVersion.String(), map[string]any{"name": "desk-7"}
		compare(t, mutated(t, object, seed, text))
	})
}

// Every object of the table, changed here and there, is judged alike; without a
// fuzzer this sees many more objects in the same time.
func TestTheLayersAgreeOnRandomObjects(t *testing.T) {
	t.Parallel()
	documents := seeds(t)
	for seed := range *randomObjects {
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		document := documents[random.IntN(len(documents))]
		if compare(t, mutated(t, decoded(t, []byte(document)), uint64(seed), words[seed%len(words)])); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// seeds are the objects of the table, but for the largest, and some that have every
// field.
func seeds(tb testing.TB) []string {
	tb.Helper()
	var documents []string
	add := func(object map[string]any) {
		if document := string(encoded(tb, object)); len(document) < 1<<13 {
			documents = append(documents, document)
		}
	}
	for _, base := range []string{machineObject, calendarObject} {
		sentences := rows()[base]
		for _, sentence := range slices.Sorted(maps.Keys(sentences)) {
			object, _ := sentences[sentence].objects(tb, base)
			add(object)
			if len(documents)%4 == 0 {
				add(patched(tb, machineObject, full))
			}
		}
	}
	return documents
}

// mutated is an object with up to three random changes; none for every fourth seed.
func mutated(tb testing.TB, object map[string]any, seed uint64, text string) map[string]any {
	tb.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	for range seed % 4 {
		mutate(random, object, text)
	}
	// What is not UTF-8 does not survive JSON.
	return decoded(tb, encoded(tb, object))
}

// compare holds the verdicts on an object against each other.
func compare(t *testing.T, object map[string]any) {
	t.Helper()
	s := schemasOf(t, object)
	stored, _ := s.stored(object)
	refused := s.validate(t, stored, nil)
	if len(refused) == 0 {
		mustDecode(t, stored)
		refused, behind := byProgram(stored), byPolicy(t, stored, nil)
		for _, c := range refused {
			if !explains(crd, c) {
				t.Errorf("the CRD accepts what the program refuses with %s:\n%s", quoted([]complaint{c}), encoded(t, stored))
			}
			if len(behind) == 0 && !explains(policy, c) {
				t.Errorf("the policies accept what the program refuses with %s:\n%s", quoted([]complaint{c}), encoded(t, stored))
			}
		}
		if len(refused) == 0 && len(behind) > 0 {
			t.Errorf("the program accepts what the policies refuse with %s:\n%s", quoted(behind), encoded(t, stored))
		}
		return
	}
	if len(byProgram(object)) > 0 {
		return
	}
	for _, c := range complaints(refused) {
		if !explains(program, c) {
			t.Errorf("the program accepts what the CRD refuses with %s:\n%s", quoted([]complaint{c}), encoded(t, object))
		}
	}
}

// mustDecode is what matters most: one stored object that does not decode blinds the
// manager to all objects, because none of a list arrives then.
func mustDecode(t *testing.T, stored map[string]any) {
	t.Helper()
	into := any(&v1alpha1.ScheduledMachine{})
	if stored["kind"] == "MachineCalendar" {
		into = &v1alpha1.MachineCalendar{}
	}
	if err := utiljson.Unmarshal(encoded(t, stored), into); err != nil {
		t.Errorf("the CRD accepts what does not decode: %v:\n%s", err, encoded(t, stored))
	}
}
