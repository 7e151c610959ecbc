package hostile_test

import (
	"fmt"
	"strings"
)

const (
	templateLabels      = "spec.machineTemplate.labels"
	templateAnnotations = "spec.machineTemplate.annotations"
	taintsField         = "spec.nodeTaints"
	patternsField       = "spec.killIfCommands"
)

// templateAttacks are about labels and annotations that others trust.
var templateAttacks = map[string]attack{
	"the role of a control plane":             {change: label("node-role.kubernetes.io/control-plane"), refused: templateLabels},
	"the role of a master":                    {change: label("node-role.kubernetes.io/master"), refused: templateLabels},
	"the role of etcd":                        {change: label("node-role.kubernetes.io/etcd"), refused: templateLabels},
	"the role of a control plane in capitals": {change: label("node-role.kubernetes.io/Control-Plane"), refused: templateLabels},
	"a role below the domain of roles":        {change: label("evil.node-role.kubernetes.io/worker"), refused: templateLabels},
	"the host name of a Node":                 {change: label("kubernetes.io/hostname"), refused: templateLabels},
	"a label of a subdomain of ours":          {change: label("a.b.5spot.finos.org/x"), refused: templateLabels},
	"the label by which 5-Spot finds objects": {change: label("5spot.finos.org/scheduled-machine"), refused: templateLabels},
	"the label of Cluster API's cluster":      {change: label("cluster.x-k8s.io/cluster-name"), refused: templateLabels},
	"the label of a control plane's Machine":  {change: label("cluster.x-k8s.io/control-plane"), refused: templateLabels},
	"a label of a deployment's Machine":       {change: label("machine-template-hash.cluster.x-k8s.io/a"), refused: templateLabels},
	"a label of k8s.io":                       {change: label("k8s.io/x"), refused: templateLabels},
	"a label of a restricted node":            {change: label("node-restriction.kubernetes.io/secret-zone"), refused: templateLabels},
	"a reserved label in capitals":            {change: label("KUBERNETES.IO/hostname"), refused: templateLabels},
	"a reserved label with a trailing dot":    {change: label("kubernetes.io./hostname"), refused: templateLabels},
	"a reserved label with a leading dot":     {change: label(".kubernetes.io/hostname"), refused: templateLabels},
	"a reserved label with a blank":           {change: label(" kubernetes.io/hostname"), refused: templateLabels},
	"a reserved label in look-alikes":         {change: label("kubernеtes.io/hostname"), refused: templateLabels},
	"a reserved label in full width":          {change: label("ｋubernetes.io/hostname"), refused: templateLabels},
	"a reserved label with an invisible mark": {change: label("kubernetes\u200b.io/hostname"), refused: templateLabels},
	"a reserved label with two slashes":       {change: label("kubernetes.io/a/b"), refused: templateLabels},
	"a reserved label without a name":         {change: label("kubernetes.io/"), refused: templateLabels},
	"a label without a domain":                {change: label("/hostname"), refused: templateLabels},
	"a label whose domain only looks like it": {change: label("notkubernetes.io/x"), harmless: "it is another domain"},
	"the role of a worker":                    {change: label("node-role.kubernetes.io/worker"), harmless: "that is what it is"},
	"an empty label":                          {change: label(""), refused: templateLabels},
	"a label of 318 characters":               {change: label(strings.Repeat("a", 253) + "/" + strings.Repeat("b", 64)), refused: templateLabels},
	"a label whose key moves the cursor":      {grow: put("x", "spec", "machineTemplate", "labels", controls), refused: templateLabels},
	"a label's value of 64 characters":        {grow: put(strings.Repeat("v", 64), "spec", "machineTemplate", "labels", "team"), refused: templateLabels},
	"a label's value that is an object":       {grow: put(map[string]any{"a": "b"}, "spec", "machineTemplate", "labels", "team"), refused: templateLabels},
	"a label's value that is null": {
		raw: replaced(`"clusterName"`, `"machineTemplate":{"labels":{"team":null}},"clusterName"`), harmless: "null is no value: the API server drops it",
		stored: func(object map[string]any) bool {
			labels, _ := object["spec"].(map[string]any)["machineTemplate"].(map[string]any)["labels"].(map[string]any)
			return len(labels) == 0
		},
	},
	"sixty-five labels":                    {grow: put(numbered(65, "x"), "spec", "machineTemplate", "labels"), refused: templateLabels},
	"an annotation that skips the drain":   {change: annotation("machine.cluster.x-k8s.io/exclude-node-draining"), refused: templateAnnotations},
	"an annotation that pauses":            {change: annotation("cluster.x-k8s.io/paused"), refused: templateAnnotations},
	"an annotation that skips remediation": {change: annotation("cluster.x-k8s.io/skip-remediation"), refused: templateAnnotations},
	"a hook before the drain":              {change: annotation("pre-drain.delete.hook.machine.cluster.x-k8s.io/never"), refused: templateAnnotations},
	"a reserved annotation in capitals":    {change: annotation("Machine.Cluster.X-K8s.io/exclude-node-draining"), refused: templateAnnotations},
	"an annotation of 5-Spot's own":        {change: annotation("5spot.finos.org/owner-uid"), refused: templateAnnotations},
	"the annotation of the original":       {change: annotation("5spot.finos.org/scheduled-by"), harmless: "it is dropped"},
	"an annotation of 4097 characters":     {grow: put(strings.Repeat("a", 4097), "spec", "machineTemplate", "annotations", "a"), refused: templateAnnotations},
	"annotations of 260 KiB in all":        {grow: put(numbered(64, strings.Repeat("ü", 4096)), "spec", "machineTemplate", "annotations"), refused: templateAnnotations},
	"an annotation that moves the cursor":  {grow: put(controls, "spec", "machineTemplate", "annotations", "a"), harmless: "it is handed on and not shown"},
	"a template with owners and finalizers": {
		change:   `{spec: {machineTemplate: {ownerReferences: [{name: a}], finalizers: [a.example.com/never], name: victim, namespace: kube-system, spec: {providerID: "victim://1"}}}}`,
		harmless: "there are no such fields",
		stored: func(object map[string]any) bool {
			return len(object["spec"].(map[string]any)["machineTemplate"].(map[string]any)) == 0
		},
	},
}

func label(key string) string {
	return fmt.Sprintf("{spec: {machineTemplate: {labels: {%q: x}}}}", key)
}

func annotation(key string) string {
	return fmt.Sprintf("{spec: {machineTemplate: {annotations: {%q: x}}}}", key)
}

// taintAttacks are about what is put on Nodes, and what the agent looks for there.
var taintAttacks = map[string]attack{
	"the taint of a control plane":      {change: taint("node-role.kubernetes.io/control-plane"), refused: taintsField},
	"the taint of a Node that is lost":  {change: taint("node.kubernetes.io/unreachable"), refused: taintsField},
	"a taint of kubernetes.io":          {change: taint("kubernetes.io/x"), refused: taintsField},
	"a taint of 5-Spot's own":           {change: taint("5spot.finos.org/reclaim"), refused: taintsField},
	"a reserved taint in capitals":      {change: taint("Node.Kubernetes.io/unreachable"), refused: taintsField},
	"a reserved taint in look-alikes":   {change: taint("nоde.kubernetes.io/unreachable"), refused: taintsField},
	"a taint with a path":               {change: taint("../x"), refused: taintsField},
	"a taint without a key":             {change: taint(""), refused: taintsField},
	"a taint of 318 characters":         {change: taint(strings.Repeat("a", 253) + "/" + strings.Repeat("b", 64)), refused: taintsField},
	"a taint with an effect of its own": {change: `{spec: {nodeTaints: [{key: a, effect: Destroy}]}}`, refused: taintsField},
	"a taint whose value moves the cursor": {
		grow: put([]any{map[string]any{"key": "a", "effect": "NoSchedule", "value": controls}}, "spec", "nodeTaints"), refused: taintsField,
	},
	"one taint twice":                    {change: `{spec: {nodeTaints: [{key: a, effect: NoExecute, value: x}, {key: a, effect: NoExecute, value: y}]}}`, refused: taintsField},
	"fifty-one taints":                   {grow: func(object map[string]any) { put(taints(51), "spec", "nodeTaints")(object) }, refused: taintsField},
	"a taint that is a text":             {grow: put([]any{"a=b:NoSchedule"}, "spec", "nodeTaints"), refused: taintsField},
	"an empty program":                   {change: `{spec: {killIfCommands: [""]}}`, refused: patternsField},
	"a program of 257 characters":        {change: `{spec: {killIfCommands: [` + strings.Repeat("a", 257) + `]}}`, refused: patternsField},
	"a hundred and one programs":         {grow: put(several(101, "idea"), "spec", "killIfCommands"), refused: patternsField},
	"a program that is a number":         {grow: put([]any{7}, "spec", "killIfCommands"), refused: patternsField},
	"a program that ends its TOML":       {change: `{spec: {killIfCommands: ['x"]` + "\\nmatch_pods = true\\n" + `poll_interval_ms = 1']}}`, harmless: "it is written by a TOML encoder, and read back as it was"},
	"a program that moves the cursor":    {grow: put([]any{controls}, "spec", "killIfCommands"), harmless: "it is quoted"},
	"a program that is an expression":    {change: `{spec: {killIfCommands: [".*", "^", "$(reboot)", "{{.}}"]}}`, harmless: "patterns are texts, and nothing is executed"},
	"a program that is in every process": {change: `{spec: {killIfCommands: ["/"]}}`, harmless: "it is the author's own machine that is given back"},
}

func taint(key string) string {
	return fmt.Sprintf("{spec: {nodeTaints: [{key: %q, effect: NoSchedule}]}}", key)
}

func taints(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = map[string]any{"key": fmt.Sprintf("k%d", i), "effect": "NoSchedule"}
	}
	return list
}
