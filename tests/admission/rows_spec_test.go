package admission_test

import (
	"fmt"
	"strings"
)

const (
	labels      = "spec.machineTemplate.labels"
	annotations = "spec.machineTemplate.annotations"
)

func label(key, value string) string {
	return fmt.Sprintf("{spec: {machineTemplate: {labels: {%q: %q}}}}", key, value)
}

func annotation(key, value string) string {
	return fmt.Sprintf("{spec: {machineTemplate: {annotations: {%q: %q}}}}", key, value)
}

// templateRows are about machineTemplate.
var templateRows = map[string]row{
	"an empty template":                            {change: `{spec: {machineTemplate: {}}}`, grow: set(map[string]any{}, "machineTemplate")},
	"labels and annotations of one's own":          {change: `{spec: {machineTemplate: {labels: {team: quant, "example.com/desk": "7"}, annotations: {"example.com/note": "any text, ü"}}}}`},
	"a label without value":                        {change: label("node-role.kubernetes.io/worker", "")},
	"a label of the managed node domain":           {change: label("node.cluster.x-k8s.io/pool", "desks")},
	"a label of the topology domain":               {change: label("topology.kubernetes.io/zone", "zone-a")},
	"the annotation that the original's had":       {change: annotation("5spot.finos.org/scheduled-by", "desk-7")},
	"64 labels":                                    {grow: set(numbered(64, "x"), "machineTemplate", "labels")},
	"65 labels are too many":                       {grow: set(numbered(65, "x"), "machineTemplate", "labels"), wrong: labels, says: "64"},
	"64 annotations":                               {grow: set(numbered(64, "x"), "machineTemplate", "annotations")},
	"65 annotations are too many":                  {grow: set(numbered(65, "x"), "machineTemplate", "annotations"), wrong: annotations, says: "64"},
	"a label's value of 63 characters":             {change: label("a", strings.Repeat("x", 63))},
	"a label's value of 64 characters is refused":  {change: label("a", strings.Repeat("x", 64)), wrong: labels},
	"a label's value with a blank is refused":      {change: label("a", "x y"), wrong: labels},
	"a label's value that ends with a dot":         {change: label("a", "x."), wrong: labels},
	"a label's value that is a number is refused":  {change: `{spec: {machineTemplate: {labels: {a: 1}}}}`, wrong: labels},
	"a label's key of 317 characters":              {change: label(dns(253)+"/"+strings.Repeat("k", 63), "x")},
	"a label's key of 318 characters is refused":   {change: label(dns(254)+"/"+strings.Repeat("k", 63), "x"), wrong: labels},
	"an annotation of 4096 characters":             {change: annotation("a", strings.Repeat("ü", 4096))},
	"an annotation of 4097 characters is refused":  {change: annotation("a", strings.Repeat("ü", 4097)), wrong: annotations},
	"an annotation's key of 318 characters":        {change: annotation(dns(254)+"/"+strings.Repeat("k", 63), "x"), wrong: annotations},
	"an empty key of a label is refused":           {change: label("", "x"), wrong: labels, blind: keySyntax},
	"a label's key with a blank is refused":        {change: label("a b", "x"), wrong: labels, blind: keySyntax},
	"a label's key with two slashes is refused":    {change: label("a/b/c", "x"), wrong: labels, blind: keySyntax},
	"an annotation's key with control characters":  {change: annotation("a\x1b[31m", "x"), wrong: annotations, blind: keySyntax},
	"annotations of too many bytes in all":         {grow: set(numbered(64, strings.Repeat("ü", 4096)), "machineTemplate", "annotations"), wrong: annotations, blind: annotationSize},
	"a label of kubernetes.io is refused":          {change: label("kubernetes.io/hostname", "x"), wrong: labels, blind: reserved},
	"a label of a subdomain of k8s.io is refused":  {change: label("sub.k8s.io/x", "x"), wrong: labels, blind: reserved},
	"a label of Cluster API is refused":            {change: label("cluster.x-k8s.io/cluster-name", "x"), wrong: labels, blind: reserved},
	"a label of ours is refused":                   {change: label("5spot.finos.org/scheduled-machine", "x"), wrong: labels, blind: reserved},
	"the label of the control plane is refused":    {change: label("node-role.kubernetes.io/control-plane", ""), wrong: labels, blind: reserved},
	"a label of the restricted domain is refused":  {change: label("node-restriction.kubernetes.io/x", "x"), wrong: labels, blind: reserved},
	"a label of a subdomain of the node domain":    {change: label("a.node.cluster.x-k8s.io/pool", "desks")},
	"a label of a domain that looks reserved":      {change: label("notk8s.io/x", "x")},
	"a label of a role of one's own":               {change: label("node-role.kubernetes.io/etcd-backup", "")},
	"a label below the topology domain is refused": {change: label("a.topology.kubernetes.io/zone", "x"), wrong: labels, blind: reserved},
	"a label below the domain of roles is refused": {change: label("a.node-role.kubernetes.io/worker", ""), wrong: labels, blind: reserved},
	"the label of etcd is refused":                 {change: label("node-role.kubernetes.io/etcd", ""), wrong: labels, blind: reserved},
	"the label of the master in capitals":          {change: label("node-role.kubernetes.io/Master", ""), wrong: labels, blind: reserved},
	"a label below the restricted domain":          {change: label("a.node-restriction.kubernetes.io/x", "x"), wrong: labels, blind: reserved},
	"a label's prefix of 254 characters":           {change: label(dns(254)+"/k", "x"), wrong: labels, blind: keySyntax},
	"a label's name of 64 characters":              {change: label(strings.Repeat("k", 64), "x"), wrong: labels, blind: keySyntax},
	"an annotation of ours is refused":             {change: annotation("5spot.finos.org/owner-uid", "x"), wrong: annotations, blind: reserved},
	"an annotation of the node domain is refused":  {change: annotation("node.cluster.x-k8s.io/x", "x"), wrong: annotations, blind: reserved},
	"an annotation's key in capitals is refused":   {change: annotation("Example.com/x", "x"), wrong: annotations, blind: keySyntax},
	"an annotation of kubectl is refused":          {change: annotation("kubectl.kubernetes.io/restartedAt", "x"), wrong: annotations, blind: reserved},
	"an annotation that skips the drain":           {change: annotation("machine.cluster.x-k8s.io/exclude-node-draining", ""), wrong: annotations, blind: reserved},
	"a reserved annotation in capitals is refused": {change: annotation("Kubernetes.IO/x", "x"), wrong: annotations, blind: reserved},
}

// dns is a domain of n characters.
func dns(n int) string {
	return strings.Repeat("a", 1) + strings.Repeat(".a", (n-1)/2) + strings.Repeat("a", (n-1)%2)
}

// specRows are about priority, timeouts, the kill switch and killIfCommands.
var specRows = map[string]row{
	"the lowest priority":                        {change: `{spec: {priority: 0}}`},
	"the highest priority":                       {change: `{spec: {priority: 255}}`},
	"priority 256 is refused":                    {change: `{spec: {priority: 256}}`, wrong: "spec.priority", says: "255"},
	"a negative priority is refused":             {change: `{spec: {priority: -1}}`, wrong: "spec.priority", says: "0"},
	"a priority of a fraction is refused":        {change: `{spec: {priority: 1.5}}`, wrong: "spec.priority"},
	"a priority as a string is refused":          {change: `{spec: {priority: "50"}}`, wrong: "spec.priority"},
	"a priority beyond 32 bits is refused":       {change: `{spec: {priority: 4294967346}}`, wrong: "spec.priority"},
	"timeouts of nothing":                        {change: `{spec: {gracefulShutdownTimeout: 0s, nodeDrainTimeout: 0m}}`},
	"timeouts of a day":                          {change: `{spec: {gracefulShutdownTimeout: 24h, nodeDrainTimeout: 1440m}}`},
	"a drain that may take longer than the rest": {change: `{spec: {gracefulShutdownTimeout: 1m, nodeDrainTimeout: 2m}}`},
	"a shutdown of more than a day is refused":   {change: `{spec: {gracefulShutdownTimeout: 25h}}`, wrong: "spec.gracefulShutdownTimeout", says: "at most 24h"},
	"a drain of more than a day is refused":      {change: `{spec: {nodeDrainTimeout: 1441m}}`, wrong: "spec.nodeDrainTimeout", says: "at most 24h"},
	"a shutdown that would overflow is refused":  {change: `{spec: {gracefulShutdownTimeout: 99999999999999h}}`, wrong: "spec.gracefulShutdownTimeout", says: "at most 24h"},
	"a drain that would overflow is refused":     {change: `{spec: {nodeDrainTimeout: 99999999999999s}}`, wrong: "spec.nodeDrainTimeout", says: "at most 24h"},
	"a shutdown of two units is refused":         {change: `{spec: {gracefulShutdownTimeout: 5m30s}}`, wrong: "spec.gracefulShutdownTimeout"},
	"a drain in milliseconds is refused":         {change: `{spec: {nodeDrainTimeout: 500ms}}`, wrong: "spec.nodeDrainTimeout"},
	"a negative drain is refused":                {change: `{spec: {nodeDrainTimeout: -5m}}`, wrong: "spec.nodeDrainTimeout"},
	"an empty shutdown is refused":               {change: `{spec: {gracefulShutdownTimeout: ""}}`, wrong: "spec.gracefulShutdownTimeout", blind: emptyIsAbsent},
	"an empty drain is refused":                  {change: `{spec: {nodeDrainTimeout: ""}}`, wrong: "spec.nodeDrainTimeout", blind: emptyIsAbsent},
	"a shutdown as a number is refused":          {change: `{spec: {gracefulShutdownTimeout: 300}}`, wrong: "spec.gracefulShutdownTimeout"},
	"the kill switch":                            {change: `{spec: {killSwitch: true}}`},
	"the kill switch as a string is refused":     {change: `{spec: {killSwitch: "true"}}`, wrong: "spec.killSwitch"},
	"programs and command lines":                 {change: `{spec: {killIfCommands: [idea, /usr/bin/matlab, "java -jar app.jar", gnome-terminal-server]}}`},
	"no programs":                                {change: `{spec: {killIfCommands: []}}`},
	"100 programs":                               {grow: set(several(100, "idea"), "killIfCommands")},
	"101 programs are too many":                  {grow: set(several(101, "idea"), "killIfCommands"), wrong: "spec.killIfCommands", says: "100"},
	"a program of 256 characters":                {grow: set(several(1, strings.Repeat("ü", 256)), "killIfCommands")},
	"a program of 257 characters is refused":     {grow: set(several(1, strings.Repeat("ü", 257)), "killIfCommands"), wrong: "spec.killIfCommands[0]"},
	"an empty program is refused":                {change: `{spec: {killIfCommands: [idea, ""]}}`, wrong: "spec.killIfCommands[1]"},
	"a program that is a number is refused":      {change: `{spec: {killIfCommands: [7]}}`, wrong: "spec.killIfCommands[0]"},
	"programs that are no list are refused":      {change: `{spec: {killIfCommands: idea}}`, wrong: "spec.killIfCommands"},
}

// taint is a change to one taint.
func taint(fields string) string { return "{spec: {nodeTaints: [{" + fields + "}]}}" }

func taints(n int) []any {
	list := several(n, map[string]any{"effect": "NoSchedule"})
	for i := range list {
		list[i].(map[string]any)["key"] = fmt.Sprintf("k%d", i)
	}
	return list
}

const taintKey = "spec.nodeTaints[0].key"

// taintRows are about nodeTaints.
var taintRows = map[string]row{
	"a taint with a value":                        {change: taint(`key: example.com/dedicated, value: batch, effect: NoSchedule`)},
	"a taint without value":                       {change: taint(`key: dedicated, effect: NoExecute`)},
	"a taint with an empty value":                 {change: taint(`key: dedicated, value: "", effect: PreferNoSchedule`)},
	"a taint of a domain that looks reserved":     {change: taint(`key: notkubernetes.io/x, effect: NoSchedule`)},
	"one key with two effects":                    {change: `{spec: {nodeTaints: [{key: a, effect: NoSchedule}, {key: a, effect: NoExecute}]}}`},
	"one key and effect twice is refused":         {change: `{spec: {nodeTaints: [{key: a, value: old, effect: NoSchedule}, {key: a, value: new, effect: NoSchedule}]}}`, wrong: "spec.nodeTaints[1]", says: "Duplicate"},
	"50 taints":                                   {grow: set(taints(50), "nodeTaints")},
	"51 taints are too many":                      {grow: set(taints(51), "nodeTaints"), wrong: "spec.nodeTaints", says: "50"},
	"a taint without key is refused":              {change: taint(`effect: NoSchedule`), wrong: taintKey},
	"a taint with an empty key is refused":        {change: taint(`key: "", effect: NoSchedule`), wrong: taintKey},
	"a taint with a blank in its key is refused":  {change: taint(`key: "a b", effect: NoSchedule`), wrong: taintKey},
	"a taint with two slashes is refused":         {change: taint(`key: a/b/c, effect: NoSchedule`), wrong: taintKey},
	"a taint with an empty name is refused":       {change: taint(`key: example.com/, effect: NoSchedule`), wrong: taintKey},
	"a taint with capitals in its domain":         {change: taint(`key: Example.com/a, effect: NoSchedule`), wrong: taintKey},
	"a taint with a name of 63 characters":        {change: taint(`key: ` + strings.Repeat("k", 63) + `, effect: NoSchedule`)},
	"a taint with a name of 64 characters":        {change: taint(`key: ` + strings.Repeat("k", 64) + `, effect: NoSchedule`), wrong: taintKey},
	"a taint with a domain of 253 characters":     {change: taint(`key: ` + dns(253) + `/k, effect: NoSchedule`)},
	"a taint with a domain of 254 characters":     {change: taint(`key: ` + dns(254) + `/k, effect: NoSchedule`), wrong: taintKey},
	"a taint's value of 64 characters is refused": {change: taint(`key: a, value: ` + strings.Repeat("v", 64) + `, effect: NoSchedule`), wrong: "spec.nodeTaints[0].value"},
	"a taint's value with a slash is refused":     {change: taint(`key: a, value: b/c, effect: NoSchedule`), wrong: "spec.nodeTaints[0].value"},
	"a taint without effect is refused":           {change: taint(`key: a`), wrong: "spec.nodeTaints[0].effect"},
	"a taint with an unknown effect is refused":   {change: taint(`key: a, effect: NoRun`), wrong: "spec.nodeTaints[0].effect"},
	"a taint with an effect in lower case":        {change: taint(`key: a, effect: noschedule`), wrong: "spec.nodeTaints[0].effect"},
	"a taint of ours is refused":                  {change: taint(`key: 5spot.finos.org/x, effect: NoSchedule`), wrong: taintKey, blind: reserved},
	"a taint of kubernetes.io is refused":         {change: taint(`key: kubernetes.io/x, effect: NoSchedule`), wrong: taintKey, blind: reserved},
	"a taint of the node lifecycle is refused":    {change: taint(`key: node.kubernetes.io/unreachable, effect: NoExecute`), wrong: taintKey, blind: reserved},
	"a taint of a node's role is refused":         {change: taint(`key: node-role.kubernetes.io/control-plane, effect: NoSchedule`), wrong: taintKey, blind: reserved},
}

// shapeRows are about what the schema does not have.
var shapeRows = map[string]row{
	"an unknown field of spec is refused":       {change: `{spec: {retries: 3}}`, wrong: "spec.retries", says: "unknown field", blind: unknownFields},
	"a misspelt field of schedule is refused":   {change: scheduled(`timeZone: UTC`), wrong: "spec.schedule.timeZone", says: "unknown field", blind: unknownFields},
	"a namespace of a provider object":          {change: infrastructure(`namespace: kube-system`), wrong: "spec.infrastructureSpec.namespace", says: "unknown field", blind: unknownFields},
	"a namespace of a Secret is refused":        {change: infrastructure(`secretRef: {name: a, namespace: kube-system}`), wrong: "spec.infrastructureSpec.secretRef.namespace", says: "unknown field", blind: unknownFields},
	"an object without spec is refused":         {change: `{spec: null}`, wrong: "spec"},
	"a schedule that is a string is refused":    {change: `{spec: {schedule: "@daily"}}`, wrong: "spec.schedule"},
	"a template that is a list is refused":      {change: `{spec: {machineTemplate: []}}`, wrong: "spec.machineTemplate"},
	"taints that are a map are refused":         {change: `{spec: {nodeTaints: {a: b}}}`, wrong: "spec.nodeTaints"},
	"days that are one string are refused":      {change: scheduled(`daysOfWeek: mon-fri`), wrong: "spec.schedule.daysOfWeek"},
	"a window that is null is refused":          {change: form(`timezone: UTC`), grow: set([]any{nil}, "schedule", "windows"), wrong: "spec.schedule.windows[0]"},
	"an optional object that is null is absent": {grow: set(nil, "machineTemplate")},
}

const firstException = "spec.exceptions[0]"

// calendarRows are about a MachineCalendar.
var calendarRows = map[string]row{
	"a calendar with an exception":              {},
	"a calendar without exceptions":             {change: `{spec: {exceptions: []}}`},
	"a calendar without zone":                   {change: `{spec: {timezone: null}}`},
	"a calendar of another zone":                {change: `{spec: {timezone: Asia/Kolkata}}`},
	"a calendar of 1,000 exceptions":            {grow: set(several(1000, map[string]any{"from": "2026-12-24", "to": "2026-12-24", "state": "Active"}), "exceptions")},
	"a calendar of 1,001 exceptions is refused": {grow: set(several(1001, map[string]any{"from": "2026-12-24", "to": "2026-12-24", "state": "Active"}), "exceptions"), wrong: "spec.exceptions", says: "1000"},
	"a calendar of the zone Local is refused":   {change: `{spec: {timezone: Local}}`, wrong: "spec.timezone"},
	"a calendar of an unknown zone is refused":  {change: `{spec: {timezone: Europe/Atlantis}}`, wrong: "spec.timezone"},
	"a calendar of an empty zone is refused":    {change: `{spec: {timezone: ""}}`, wrong: "spec.timezone", blind: emptyIsAbsent},
	"a calendar on 30 February is refused":      {change: `{spec: {exceptions: [{from: "2026-02-30", to: "2026-03-01", state: Active}]}}`, wrong: firstException + ".from"},
	"a calendar that ends before it begins":     {change: `{spec: {exceptions: [{from: "2026-02-02", to: "2026-02-01", state: Active}]}}`, wrong: firstException, says: "before from"},
	"a calendar of unknown state is refused":    {change: `{spec: {exceptions: [{from: "2026-02-02", to: "2026-02-02", state: Closed}]}}`, wrong: firstException + ".state"},
	"a calendar without state is refused":       {change: `{spec: {exceptions: [{from: "2026-02-02", to: "2026-02-02"}]}}`, wrong: firstException + ".state"},
	"a calendar with a long reason is refused":  {change: `{spec: {exceptions: [{from: "2026-02-02", to: "2026-02-02", state: Active, reason: "` + strings.Repeat("x", 257) + `"}]}}`, wrong: firstException + ".reason"},
	"a calendar with an unknown field":          {change: `{spec: {country: US}}`, wrong: "spec.country", says: "unknown field", blind: unknownFields},
	"a calendar without spec is refused":        {change: `{spec: null}`, wrong: "spec", blind: absentIsEmpty},
	"a calendar whose name is long":             {change: `{metadata: {name: ` + strings.Repeat("a", 253) + `}}`},
}
