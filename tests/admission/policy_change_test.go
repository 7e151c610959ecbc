package admission_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/finos/five-spot/pkg/admission"
)

// outdated are ScheduledMachines of a time before every rule; together they break all.
// Two of the rules exclude each other.
func outdated(t *testing.T) map[string]map[string]any {
	t.Helper()
	object := patched(t, machineObject, `{spec: {
		bootstrapSpec: {apiVersion: apps/v1, secretRef: {name: a, key: spec}, spec: {providerID: "remote-machine://other/desk-1"}}, infrastructureSpec: {apiVersion: rbac.authorization.k8s.io/v1, secretRef: {name: b, key: spec}},
		priority: 256, gracefulShutdownTimeout: 25h, nodeDrainTimeout: 99999999999999h,
		machineTemplate: {labels: {"kubernetes.io/a": "", "a b": ""}, annotations: {"k8s.io/a": "", "a b": ""}},
		schedule: {duration: 25h, leadTime: 3h, daysOfWeek: [funday], hoursOfDay: ["24"], windows: [{days: [mon], start: "08:00", end: "09:00"}],
			override: {state: Active, until: "2036-01-01T00:00:00Z"}}}}`)
	set(several(51, map[string]any{"key": "kubernetes.io/a", "effect": "NoSchedule"}), "nodeTaints")(object)
	set(several(101, map[string]any{"from": "2026-12-24", "to": "2026-12-24", "state": "Active"}), "schedule", "exceptions")(object)
	for i := range 65 {
		set("x", "machineTemplate", "labels", fmt.Sprintf("l%d", i))(object)
		set(strings.Repeat("x", 4096), "machineTemplate", "annotations", fmt.Sprintf("a%d", i))(object)
	}
	stepped := patched(t, machineObject, cron("*/15 * * * *", ""))
	set([]any{"mon"}, "schedule", "daysOfWeek")(stepped)
	large := patched(t, machineObject, "")
	set(numbered(64, strings.Repeat("x", 4200)), "machineTemplate", "annotations")(large)
	return map[string]map[string]any{"all but three rules": object, "the rules of cron": stepped, "the sum of annotations": large}
}

// strict are settings under which nothing is left out.
func strict() admission.Settings {
	settings := admission.Defaults()
	settings.MaxOverride = time.Hour
	return settings
}

func TestWhatIsOutdatedBreaksEveryRule(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	set := policiesOf(t, oldest, strict())
	broken := map[string]bool{}
	for _, object := range outdated(t) {
		refusals, _ := set.decide(t.Context(), write{object: stamped(object), user: "tenant", allows: nothing})
		for _, refusal := range refusals {
			g.Expect(string(refusal.Evaluation)).To(Equal("deny"), refusal.Message)
			broken[refusal.Message] = true
		}
	}
	rules := 0
	for i := range set.specs[:2] {
		rules += len(set.specs[i].Validations)
	}
	g.Expect(broken).To(HaveLen(rules), "the rules that are broken: %v", broken)
}

// later are the changes that must never be held up by a rule.
var later = map[string]string{
	"the kill switch":                      `{spec: {killSwitch: true}}`,
	"disabling":                            `{spec: {schedule: {enabled: false}}}`,
	"enabling":                             `{spec: {schedule: {enabled: true}}}`,
	"an override":                          `{spec: {schedule: {override: {state: Inactive, until: "2036-06-01T00:00:00Z", reason: maintenance}}}}`,
	"the end of an override":               `{spec: {schedule: {override: null}}}`,
	"a finalizer":                          `{metadata: {finalizers: [5spot.finos.org/scheduledmachine]}}`,
	"labels and annotations of the object": `{metadata: {labels: {a: b}, annotations: {cluster.x-k8s.io/paused: "true"}}}`,
	"an owner":                             `{metadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: a, uid: b}]}}`,
	"nothing":                              `{}`,
	"a better priority":                    `{spec: {priority: 9}}`,
	"another calendar":                     `{spec: {schedule: {calendarRef: {name: uk}}}}`,
	"one of two timeouts":                  `{spec: {nodeDrainTimeout: 10m}}`,
	"another zone":                         `{spec: {schedule: {timezone: Europe/Berlin}}}`,
	"a lead time within its bounds":        `{spec: {schedule: {leadTime: 0s}}}`,
}

func TestARuleJudgesOnlyWhatARequestChanges(t *testing.T) {
	t.Parallel()
	for _, version := range []string{oldest, newest} {
		set := policiesOf(t, version, strict())
		for name, object := range outdated(t) {
			for sentence, change := range later {
				t.Run(version+" "+name+": "+sentence, func(t *testing.T) {
					t.Parallel()
					before := stamped(object)
					w := write{object: patched(t, string(encoded(t, before)), change), before: before, user: "tenant", allows: nothing}
					if refused := set.byPolicies(t.Context(), w); len(refused) > 0 {
						t.Errorf("refused: %s", quoted(refused))
					}
				})
			}
		}
	}
}

func TestAnotherKindOfAForeignGroupIsJudged(t *testing.T) {
	t.Parallel()
	before := stamped(patched(t, machineObject, `{spec: {bootstrapSpec: {apiVersion: rbac.authorization.k8s.io/v1, kind: Role}}}`))
	after := patched(t, string(encoded(t, before)), `{spec: {bootstrapSpec: {kind: ClusterRole}}}`)
	w := write{before: before, object: after, user: "tenant", allows: everything}
	if refused := defaultPolicies(t).byPolicies(t.Context(), w); len(refused) == 0 {
		t.Error("accepted")
	}
}

func TestNothingOfAnObjectThatIsBeingDeletedIsJudged(t *testing.T) {
	t.Parallel()
	set := policiesOf(t, oldest, strict())
	for name, object := range outdated(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := patched(t, machineObject, `{metadata: {deletionTimestamp: "2026-11-23T08:00:00Z", finalizers: [a/b]}}`)
			w := write{object: stamped(object), before: before, user: "tenant", allows: nothing}
			if refused := set.byPolicies(t.Context(), w); len(refused) > 0 {
				t.Errorf("refused: %s", quoted(refused))
			}
			// Whatever the new object says of its own deletion.
			w.object = patched(t, string(encoded(t, w.object)), `{metadata: {deletionTimestamp: "2026-11-23T08:00:00Z"}}`)
			w.before = stamped(patched(t, machineObject, `{spec: {priority: 1}}`))
			if refused := set.byPolicies(t.Context(), w); len(refused) == 0 {
				t.Error("a request says that the object is being deleted, and is believed")
			}
		})
	}
}

// Whatever is stored: a kill switch works, and so does all else in later that is no
// change to a part which can be wrong.
func TestRandomObjectsTakeWhatMustNeverBeHeldUp(t *testing.T) {
	t.Parallel()
	set := policiesOf(t, oldest, strict())
	documents := seeds(t)
	never := []string{"the kill switch", "disabling", "enabling", "the end of an override", "a finalizer", "nothing"}
	tried := 0
	for seed := range *randomObjects {
		random := rand.New(rand.NewPCG(uint64(seed), 2))
		object := mutated(t, decoded(t, []byte(documents[random.IntN(len(documents))])), uint64(seed), words[seed%len(words)])
		s := schemasOf(t, object)
		before, _ := s.stored(object)
		if object["kind"] != "ScheduledMachine" || len(s.validate(t, before, nil)) > 0 {
			continue
		}
		tried++
		before = stamped(before)
		sentence := never[seed%len(never)]
		w := write{object: patched(t, string(encoded(t, before)), later[sentence]), before: before, user: "tenant", allows: nothing}
		if refused := set.byPolicies(t.Context(), w); len(refused) > 0 {
			t.Fatalf("seed %d: %s: refused: %s:\n%s", seed, sentence, quoted(refused), encoded(t, before))
		}
	}
	if tried < *randomObjects/20 {
		t.Errorf("only %d of %d objects could be stored", tried, *randomObjects)
	}
}

// changes are updates of objects of the table by somebody who may do nothing else.
func TestWhoMayChangeWhat(t *testing.T) {
	t.Parallel()
	const secret = `{spec: {infrastructureSpec: {secretRef: {name: ssh, key: spec}}}}`
	const joining = `{spec: {bootstrapSpec: {secretRef: {name: ssh, key: spec}}}}`
	both := []string{"get secrets/ssh", "create machines"}
	for sentence, c := range map[string]struct {
		before string // none for a creation
		change string
		may    []string
		wrong  string
	}{
		"a machine by somebody who may create Machines":           {change: `{}`, may: both[1:]},
		"a machine by somebody who may not":                       {change: `{}`, wrong: "may not create machines.cluster.x-k8s.io"},
		"a Secret by somebody who may read it":                    {change: secret, may: both},
		"a Secret by somebody who may read another":               {change: secret, may: []string{"get secrets/other", both[1]}, wrong: "spec.infrastructureSpec.secretRef"},
		"a Secret by somebody who may list all":                   {change: secret, may: []string{"list secrets/ssh", both[1]}, wrong: "spec.infrastructureSpec.secretRef"},
		"a Secret for the bootstrap config":                       {change: `{spec: {bootstrapSpec: {secretRef: {name: ssh, key: spec}}}}`, may: both[1:], wrong: "spec.bootstrapSpec.secretRef"},
		"a Secret later":                                          {before: `{}`, change: secret, may: both[1:], wrong: "spec.infrastructureSpec.secretRef"},
		"another Secret":                                          {before: secret, change: `{spec: {infrastructureSpec: {secretRef: {name: root}}}}`, may: both, wrong: "spec.infrastructureSpec.secretRef"},
		"another key of the Secret":                               {before: secret, change: `{spec: {infrastructureSpec: {secretRef: {key: root}}}}`, may: both[1:], wrong: "spec.infrastructureSpec.secretRef"},
		"the Secret in the other block":                           {before: secret, change: `{spec: {infrastructureSpec: {secretRef: null}, bootstrapSpec: {secretRef: {name: ssh, key: spec}}}}`, may: both[1:], wrong: "spec.bootstrapSpec.secretRef"},
		"another kind beside the Secret":                          {before: secret, change: `{spec: {infrastructureSpec: {kind: PooledRemoteMachine}}}`, may: both[1:], wrong: "spec.infrastructureSpec.secretRef"},
		"another version beside the Secret":                       {before: secret, change: `{spec: {infrastructureSpec: {apiVersion: infrastructure.cluster.x-k8s.io/v1beta2}}}`, may: both[1:], wrong: "spec.infrastructureSpec.secretRef"},
		"another address to send the Secret to":                   {before: secret, change: `{spec: {infrastructureSpec: {spec: {address: 192.0.2.66}}}}`, may: both[1:], wrong: "spec.infrastructureSpec.secretRef"},
		"the Secret no more":                                      {before: secret, change: `{spec: {infrastructureSpec: {secretRef: null}}}`, may: both[1:]},
		"another host for the bootstrap Secret":                   {before: joining, change: `{spec: {infrastructureSpec: {spec: {address: 192.0.2.66}}}}`, may: both[1:], wrong: "spec.bootstrapSpec.secretRef"},
		"another kind of host for the bootstrap Secret":           {before: joining, change: `{spec: {infrastructureSpec: {kind: DockerMachine}}}`, may: both[1:], wrong: "spec.bootstrapSpec.secretRef"},
		"another host by somebody who may read that Secret":       {before: joining, change: `{spec: {infrastructureSpec: {spec: {address: 192.0.2.66}}}}`, may: both},
		"the other block":                                         {before: secret, change: `{spec: {bootstrapSpec: {spec: {version: v1.31.0+k0s.0}}}}`, may: both[1:]},
		"another address by somebody who may create Machines":     {before: `{}`, change: `{spec: {infrastructureSpec: {spec: {address: 192.0.2.66}}}}`, may: both[1:]},
		"another address":                                         {before: `{}`, change: `{spec: {infrastructureSpec: {spec: {address: 192.0.2.66}}}}`, may: both[:1], wrong: "may not create machines.cluster.x-k8s.io"},
		"what is run on the machine":                              {before: `{}`, change: `{spec: {bootstrapSpec: {spec: {preK0sCommands: [id]}}}}`, wrong: "may not create machines.cluster.x-k8s.io"},
		"what the Node is called":                                 {before: `{}`, change: label("node-role.kubernetes.io/worker", ""), wrong: "may not create machines.cluster.x-k8s.io"},
		"who is kept off the Node":                                {before: `{}`, change: taint(`key: a, effect: NoSchedule`), wrong: "may not create machines.cluster.x-k8s.io"},
		"an agent on the Node":                                    {before: `{}`, change: `{spec: {killIfCommands: [idea]}}`, wrong: "may not create machines.cluster.x-k8s.io"},
		"the kill switch, by somebody who may update and no more": {before: secret, change: `{spec: {killSwitch: true}}`},
		"the schedule":                                            {before: secret, change: scheduled(`hoursOfDay: ["9"]`)},
		"a disabled schedule":                                     {before: secret, change: scheduled(`enabled: false`)},
		"the timeouts":                                            {before: secret, change: `{spec: {gracefulShutdownTimeout: 1m, nodeDrainTimeout: 1m, priority: 9}}`},
		"a finalizer":                                             {before: secret, change: `{metadata: {finalizers: [a/b]}}`},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			w := write{user: "tenant", allows: func(a authorizer.Attributes) bool {
				asked := a.GetVerb() + " " + a.GetResource()
				if a.GetName() != "" {
					asked += "/" + a.GetName()
				}
				return a.GetNamespace() == "default" && slices.Contains(c.may, asked)
			}}
			if c.before == "" {
				w.object = stamped(patched(t, machineObject, c.change))
			} else {
				w.before = stamped(patched(t, machineObject, c.before))
				w.object = patched(t, string(encoded(t, w.before)), c.change)
			}
			refused := defaultPolicies(t).byPolicies(t.Context(), w)
			switch {
			case c.wrong == "" && len(refused) > 0:
				t.Errorf("refused: %s", quoted(refused))
			case c.wrong != "" && (len(refused) != 1 || !strings.Contains(refused[0].field+refused[0].text, c.wrong) || !strings.Contains(refused[0].text, "user tenant may not")):
				t.Errorf("got %s, want one about %s", quoted(refused), c.wrong)
			}
		})
	}
}

func TestTheAuditLogNamesWhoThrewTheKillSwitch(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct{ before, change, want string }{
		"on":                                {`{}`, `{spec: {killSwitch: true}}`, "killSwitch=true by ops"},
		"off":                               {`{spec: {killSwitch: true}}`, `{spec: {killSwitch: false}}`, "killSwitch=false by ops"},
		"on from the start":                 {"", `{spec: {killSwitch: true}}`, "killSwitch=true by ops"},
		"on while the object is deleted":    {`{metadata: {deletionTimestamp: "2026-11-23T08:00:00Z"}}`, `{spec: {killSwitch: true}}`, "killSwitch=true by ops"},
		"on, but the request is refused":    {`{}`, `{spec: {killSwitch: true, infrastructureSpec: {apiVersion: apps/v1}}}`, "killSwitch=true by ops"},
		"it stays on":                       {`{spec: {killSwitch: true}}`, `{spec: {killSwitch: true, priority: 9}}`, ""},
		"something else":                    {`{}`, `{spec: {priority: 9}}`, ""},
		"a creation with the switch off":    {"", `{}`, ""},
		"the field goes, which is off":      {`{spec: {killSwitch: true}}`, `{spec: {killSwitch: null}}`, "killSwitch=false by ops"},
		"the field goes, and it was off so": {`{spec: {killSwitch: false}}`, `{spec: {killSwitch: null}}`, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			w := write{user: "ops"}
			w.object = stamped(patched(t, machineObject, c.change))
			if c.before != "" {
				w.before = stamped(patched(t, machineObject, c.before))
				w.object = patched(t, string(encoded(t, w.before)), c.change)
			}
			_, audit := defaultPolicies(t).decide(t.Context(), w)
			var got string
			for _, annotation := range audit {
				if annotation.Error != "" || annotation.Key != "kill-switch" {
					t.Errorf("%s: %s", annotation.Key, annotation.Error)
				}
				got += annotation.Value
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
