package hostile_test

import "strings"

// metadataAttacks are about what the API server keeps of every object.
var metadataAttacks = map[string]attack{
	"a name with a path in it":           {change: `{metadata: {name: ../../etc/passwd}}`, refused: "metadata.name"},
	"a name that is another namespace's": {change: `{metadata: {name: kube-system/desk}}`, refused: "metadata.name"},
	"a name with a line feed":            {change: `{metadata: {name: "desk\nkind: Secret"}}`, refused: "metadata.name"},
	"a name with a NUL":                  {change: `{metadata: {name: "desk\u0000"}}`, refused: "metadata.name"},
	"a name in Cyrillic look-alikes":     {change: `{metadata: {name: "dеsk"}}`, refused: "metadata.name"},
	"a name in full-width letters":       {change: `{metadata: {name: "ｄｅｓｋ"}}`, refused: "metadata.name"},
	"a name in capitals":                 {change: `{metadata: {name: DESK}}`, refused: "metadata.name"},
	"a name of 64 characters":            {change: `{metadata: {name: ` + strings.Repeat("a", 64) + `}}`, refused: "metadata.name"},
	"a name of 254 characters":           {change: `{metadata: {name: ` + strings.Repeat("a", 254) + `}}`, refused: "metadata.name"},
	"an empty name":                      {change: `{metadata: {name: ""}}`, refused: "name"},
	"a name that is a number":            {grow: put(7, "metadata", "name"), refused: "name"},
	"a name that is a list":              {grow: put([]any{"a"}, "metadata", "name"), refused: "name"},
	"a generated name with a path":       {change: `{metadata: {generateName: "../x-"}}`, refused: "metadata.name"},
	"a generated name of 250 characters": {
		change: `{metadata: {generateName: ` + strings.Repeat("b", 250) + `}}`, harmless: "the API server cuts it to 63 characters",
		stored: func(object map[string]any) bool {
			return len(object["metadata"].(map[string]any)["name"].(string)) == 63
		},
	},
	"a namespace that is not that of the request": {change: `{metadata: {namespace: kube-system}}`, refused: "namespace"},
	"a label with markup":                         {change: `{metadata: {labels: {team: "<script>alert(1)</script>"}}}`, refused: "metadata.labels"},
	"a label of a reserved domain on the object itself": {
		change:   `{metadata: {labels: {"node-role.kubernetes.io/control-plane": ""}}}`,
		harmless: "labels of the ScheduledMachine go nowhere",
	},
	"an annotation of 300 KiB": {grow: put(strings.Repeat("a", 300<<10), "metadata", "annotations", "a"), refused: "metadata.annotations"},
	"an annotation that claims the last application": {
		change:   `{metadata: {annotations: {"kubectl.kubernetes.io/last-applied-configuration": "{\"kind\":\"Secret\"}"}}}`,
		harmless: "only kubectl reads it",
	},
	"annotations of 5-Spot's own": {
		change:   `{metadata: {annotations: {"5spot.finos.org/owner-uid": "0", "5spot.finos.org/spec-hash": "0", "5spot.finos.org/secret-version": "0", "5spot.finos.org/reclaim-requested": "true"}}}`,
		harmless: "5-Spot reads them on objects that it made, and on Nodes",
	},
	"managedFields that are made up": {
		change:   `{metadata: {managedFields: [{manager: 5spot-controller, operation: Apply, apiVersion: 5spot.finos.org/v1alpha1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:killSwitch": {}}}}]}}`,
		harmless: "the API server owns who wrote what, and 5-Spot takes it for a hint only",
	},
	"managedFields that are no fields": {
		change:   `{metadata: {managedFields: [{manager: "\u001b[31m", operation: Overwrite, fieldsType: X}]}}`,
		harmless: "the API server throws them away",
		stored: func(object map[string]any) bool {
			for _, entry := range object["metadata"].(map[string]any)["managedFields"].([]any) {
				if strings.Contains(entry.(map[string]any)["manager"].(string), "\x1b") {
					return false
				}
			}
			return true
		},
	},
	"a UID and a time of its own": {
		change:   `{metadata: {uid: 00000000-0000-0000-0000-000000000000, creationTimestamp: "1970-01-01T00:00:00Z", generation: 999}}`,
		harmless: "the API server gives its own",
		stored: func(object map[string]any) bool {
			metadata := object["metadata"].(map[string]any)
			return metadata["uid"] != "00000000-0000-0000-0000-000000000000" && metadata["creationTimestamp"] != "1970-01-01T00:00:00Z"
		},
	},
	"a deletion time at creation": {
		change:   `{metadata: {deletionTimestamp: "2020-01-01T00:00:00Z", deletionGracePeriodSeconds: 0}}`,
		harmless: "the API server drops it",
		stored: func(object map[string]any) bool {
			return object["metadata"].(map[string]any)["deletionTimestamp"] == nil
		},
	},
	"a resourceVersion at creation":     {change: `{metadata: {resourceVersion: "1"}}`, refused: "resourceVersion"},
	"a finalizer that nobody takes off": {change: `{metadata: {finalizers: [never]}}`, harmless: "it keeps the object, not its machine"},
	"a finalizer with a line feed":      {change: `{metadata: {finalizers: ["a.example.com/x\ny"]}}`, refused: "metadata.finalizers"},
	"5-Spot's finalizer from the start": {
		change: `{metadata: {finalizers: [5spot.finos.org/scheduledmachine]}}`, harmless: "5-Spot would have set it",
	},
	"a status with a Machine of somebody else's": {
		change: `{status: {phase: Active, nodeRef: {apiVersion: v1, kind: Node, name: victim, uid: "1"}, providerID: "victim://1",
			machineRef: {apiVersion: cluster.x-k8s.io/v1beta2, kind: Machine, name: victim, uid: "1"}, appliedNodeTaints: [{key: a, effect: NoExecute}]}}`,
		harmless: "a status cannot be given at creation", stored: withoutStatus,
	},
	"a status that begins a reclaim": {
		change:   `{status: {shutdown: {startedAt: "2020-01-01T00:00:00Z", reason: EmergencyReclaim}, recentReclaims: ["2020-01-01T00:00:00Z"]}}`,
		harmless: "a status cannot be given at creation", stored: withoutStatus,
	},
	"a status of another type": {grow: put("Active", "status"), harmless: "a status cannot be given at creation", stored: withoutStatus},
}

// withoutStatus is whether nothing of what was sent as the status was kept.
func withoutStatus(object map[string]any) bool { return object["status"] == nil }

// ownershipAttacks make the object seem to belong to others, or others to it.
var ownershipAttacks = map[string]attack{
	"an owner of no kind":            {change: owners(`{apiVersion: v1, kind: "", name: a, uid: "1"}`), refused: "metadata.ownerReferences"},
	"an owner without UID":           {change: owners(`{apiVersion: v1, kind: Secret, name: a, uid: ""}`), refused: "metadata.ownerReferences"},
	"an Event for an owner":          {change: owners(`{apiVersion: v1, kind: Event, name: a, uid: "1"}`), refused: "metadata.ownerReferences"},
	"two controllers":                {change: owners(`{apiVersion: v1, kind: Secret, name: a, uid: "1", controller: true}, {apiVersion: v1, kind: Secret, name: b, uid: "2", controller: true}`), refused: "metadata.ownerReferences"},
	"an owner in an invalid version": {change: owners(`{apiVersion: "a/b/c", kind: Secret, name: a, uid: "1"}`), refused: "metadata.ownerReferences"},
	"a Machine for an owner, with a UID that is made up": {
		change:   owners(`{apiVersion: cluster.x-k8s.io/v1beta2, kind: Machine, name: desk, uid: "1", controller: true}`),
		harmless: "5-Spot looks at the owners of Machines, by UID; the garbage collector may delete the object, which its author could do anyway",
	},
	"a Cluster for an owner": {
		change:   owners(`{apiVersion: cluster.x-k8s.io/v1beta2, kind: Cluster, name: trading, uid: "1", blockOwnerDeletion: true}`),
		harmless: "the same",
	},
}

func owners(list string) string { return "{metadata: {ownerReferences: [" + list + "]}}" }
