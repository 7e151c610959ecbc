package admission_test

import "strings"

// nameRows are about the names of the object and of its Cluster.
var nameRows = map[string]row{
	"a name of 63 characters":                       {change: "{metadata: {name: " + strings.Repeat("a", 63) + "}}"},
	"a name of 64 characters is refused":            {change: "{metadata: {name: " + strings.Repeat("a", 64) + "}}", wrong: "metadata.name", says: "at most 63 characters", blind: sinceCreation},
	"a Cluster of 63 characters":                    {change: "{spec: {clusterName: " + strings.Repeat("a", 63) + "}}"},
	"a Cluster of 64 characters is refused":         {change: "{spec: {clusterName: " + strings.Repeat("a", 64) + "}}", wrong: "spec.clusterName"},
	"a Cluster with dots, underscores and capitals": {change: "{spec: {clusterName: Night_1.eu-west}}"},
	"no Cluster is refused":                         {change: "{spec: {clusterName: null}}", wrong: "spec.clusterName"},
	"an empty Cluster is refused":                   {change: `{spec: {clusterName: ""}}`, wrong: "spec.clusterName"},
	"a Cluster that begins with a hyphen":           {change: `{spec: {clusterName: "-a"}}`, wrong: "spec.clusterName"},
	"a Cluster that ends with a dot is refused":     {change: `{spec: {clusterName: "a."}}`, wrong: "spec.clusterName"},
	"a Cluster with a slash is refused":             {change: `{spec: {clusterName: "other/a"}}`, wrong: "spec.clusterName"},
	"a Cluster with a line break is refused":        {change: `{spec: {clusterName: "a\nb"}}`, wrong: "spec.clusterName"},
	"another Cluster on update is refused": {
		before: `{spec: {clusterName: trading}}`, change: `{spec: {clusterName: risk}}`, wrong: "spec.clusterName", says: "cannot be changed", blind: sinceCreation,
	},
	"the same Cluster on update":               {before: `{spec: {clusterName: trading}}`, change: `{spec: {clusterName: trading, priority: 9}}`},
	"another schedule form on update":          {before: `{spec: {priority: 1}}`, change: cron("@daily", "1h")},
	"the kill switch on update":                {before: `{spec: {killSwitch: false}}`, change: `{spec: {killSwitch: true}}`},
	"other provider objects on update":         {before: `{spec: {priority: 1}}`, change: infrastructure(`apiVersion: infrastructure.cluster.x-k8s.io/v1beta2, kind: PooledRemoteMachine`)},
	"provider objects without bootstrap":       {change: `{spec: {bootstrapSpec: null}}`, wrong: "spec.bootstrapSpec"},
	"provider objects without infrastructure":  {change: `{spec: {infrastructureSpec: null}}`, wrong: "spec.infrastructureSpec"},
	"provider objects of one kind are refused": {change: infrastructure(`apiVersion: bootstrap.cluster.x-k8s.io/v1beta2, kind: K0sWorkerConfig`), wrong: "spec.infrastructureSpec.kind", says: "kind of bootstrapSpec"},
	"provider objects of one kind and two groups": {
		change: infrastructure(`kind: K0sWorkerConfig`),
	},
}

// infrastructure is a change of fields of spec.infrastructureSpec.
func infrastructure(fields string) string { return "{spec: {infrastructureSpec: {" + fields + "}}}" }

// providerRows are about the two provider objects, which are of one type.
var providerRows = map[string]row{
	"provider objects at v1beta2": {
		change: `{spec: {bootstrapSpec: {apiVersion: bootstrap.cluster.x-k8s.io/v1beta2}, infrastructureSpec: {apiVersion: infrastructure.cluster.x-k8s.io/v1beta2}}}`,
	},
	"a provider object of k0smotron's own group": {change: infrastructure(`apiVersion: k0smotron.io/v1beta1`)},
	"a provider object without spec":             {change: infrastructure(`spec: null`)},
	"a provider object with an empty spec":       {change: infrastructure(`spec: {}`), grow: set(map[string]any{}, "infrastructureSpec", "spec")},
	"a provider object with anything in its spec": {
		change: infrastructure(`spec: {port: 22, nested: {deep: [1, {a: true, b: null}], Odd_Key: 1.5}, labels: {"a/b": ""}}`),
	},
	"a spec of 256 fields": {grow: set(numbered(256, "x"), "infrastructureSpec", "spec")},
	"a spec that tells which host it is is refused": {
		change: infrastructure(`spec: {providerID: "remote-machine://other/desk-1"}`),
		wrong:  "spec.infrastructureSpec.spec.providerID", says: "only the provider", blind: providerSpecs,
	},
	"a bootstrap spec that does so is refused": {
		change: `{spec: {bootstrapSpec: {spec: {providerID: "remote-machine://other/desk-1"}}}}`,
		wrong:  "spec.bootstrapSpec.spec.providerID", blind: providerSpecs,
	},
	"a spec without a host where a null says so":       {change: `{spec: {infrastructureSpec: {spec: {providerID: null}}}}`},
	"a spec of 257 fields is refused":                  {grow: set(numbered(257, "x"), "infrastructureSpec", "spec"), wrong: "spec.infrastructureSpec.spec", says: "256"},
	"a spec that is a list is refused":                 {change: infrastructure(`spec: []`), wrong: "spec.infrastructureSpec.spec"},
	"a spec that is a string is refused":               {change: infrastructure(`spec: "address: x"`), wrong: "spec.infrastructureSpec.spec"},
	"no apiVersion is refused":                         {change: infrastructure(`apiVersion: null`), wrong: "spec.infrastructureSpec.apiVersion"},
	"an empty apiVersion is refused":                   {change: infrastructure(`apiVersion: ""`), wrong: "spec.infrastructureSpec.apiVersion"},
	"an apiVersion of the core group is refused":       {change: infrastructure(`apiVersion: v1, kind: Secret`), wrong: "spec.infrastructureSpec.apiVersion"},
	"an apiVersion with two slashes is refused":        {change: infrastructure(`apiVersion: a/b/v1`), wrong: "spec.infrastructureSpec.apiVersion"},
	"an apiVersion without version is refused":         {change: infrastructure(`apiVersion: infrastructure.cluster.x-k8s.io/`), wrong: "spec.infrastructureSpec.apiVersion"},
	"an apiVersion with an odd version is refused":     {change: infrastructure(`apiVersion: infrastructure.cluster.x-k8s.io/latest`), wrong: "spec.infrastructureSpec.apiVersion"},
	"an apiVersion with an odd group is refused":       {change: infrastructure(`apiVersion: infrastructure..x-k8s.io/v1`), wrong: "spec.infrastructureSpec.apiVersion"},
	"an apiVersion of 318 characters is refused":       {change: infrastructure(`apiVersion: k0smotron.io/v` + strings.Repeat("1", 304)), wrong: "spec.infrastructureSpec.apiVersion"},
	"a group of 254 characters is refused":             {change: infrastructure(`apiVersion: ` + strings.Repeat("a", 254) + `/v1`), wrong: "spec.infrastructureSpec.apiVersion"},
	"roles of the cluster are refused":                 {change: infrastructure(`apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole`), wrong: "spec.infrastructureSpec.apiVersion", blind: apiGroups},
	"a subdomain of an allowed group is refused":       {change: infrastructure(`apiVersion: evil.infrastructure.cluster.x-k8s.io/v1`), wrong: "spec.infrastructureSpec.apiVersion", blind: apiGroups},
	"a group that begins like an allowed one":          {change: infrastructure(`apiVersion: k0smotron.io.example.com/v1`), wrong: "spec.infrastructureSpec.apiVersion", blind: apiGroups},
	"a bootstrap config of a foreign group is refused": {change: `{spec: {bootstrapSpec: {apiVersion: apps/v1, kind: DaemonSet}}}`, wrong: "spec.bootstrapSpec.apiVersion", blind: apiGroups},
	"no kind is refused":                               {change: infrastructure(`kind: null`), wrong: "spec.infrastructureSpec.kind"},
	"an empty kind is refused":                         {change: infrastructure(`kind: ""`), wrong: "spec.infrastructureSpec.kind"},
	"a kind in lower case is refused":                  {change: infrastructure(`kind: remotemachine`), wrong: "spec.infrastructureSpec.kind"},
	"a kind with a slash is refused":                   {change: infrastructure(`kind: Remote/Machine`), wrong: "spec.infrastructureSpec.kind"},
	"a kind of 63 characters":                          {change: infrastructure(`kind: K` + strings.Repeat("k", 62))},
	"a kind of 64 characters is refused":               {change: infrastructure(`kind: K` + strings.Repeat("k", 63)), wrong: "spec.infrastructureSpec.kind"},
	"a Secret":                                         {change: infrastructure(`secretRef: {name: ssh.access-1, key: spec.yaml}`)},
	"a Secret without key":                             {change: infrastructure(`secretRef: {name: ssh}`)},
	"a Secret's key that begins with a dot":            {change: infrastructure(`secretRef: {name: ssh, key: .hidden}`)},
	"a Secret without name is refused":                 {change: infrastructure(`secretRef: {key: spec}`), wrong: "spec.infrastructureSpec.secretRef.name"},
	"a Secret with an empty name is refused":           {change: infrastructure(`secretRef: {name: ""}`), wrong: "spec.infrastructureSpec.secretRef.name"},
	"a Secret in capitals is refused":                  {change: infrastructure(`secretRef: {name: SSH}`), wrong: "spec.infrastructureSpec.secretRef.name"},
	"a Secret with an empty label is refused":          {change: infrastructure(`secretRef: {name: a..b}`), wrong: "spec.infrastructureSpec.secretRef.name"},
	"a Secret of another namespace is refused":         {change: infrastructure(`secretRef: {name: kube-system/ssh}`), wrong: "spec.infrastructureSpec.secretRef.name"},
	"a Secret of 254 characters is refused":            {change: infrastructure(`secretRef: {name: ` + strings.Repeat("a", 254) + `}`), wrong: "spec.infrastructureSpec.secretRef.name"},
	"a Secret's key with a slash is refused":           {change: infrastructure(`secretRef: {name: ssh, key: a/b}`), wrong: "spec.infrastructureSpec.secretRef.key"},
	"a Secret's key of one dot is refused":             {change: infrastructure(`secretRef: {name: ssh, key: .}`), wrong: "spec.infrastructureSpec.secretRef.key"},
	"a Secret's key of two dots is refused":            {change: infrastructure(`secretRef: {name: ssh, key: ..}`), wrong: "spec.infrastructureSpec.secretRef.key"},
	"a Secret's key that begins with two dots":         {change: infrastructure(`secretRef: {name: ssh, key: ..data}`), wrong: "spec.infrastructureSpec.secretRef.key"},
	"a Secret's key of 254 characters is refused":      {change: infrastructure(`secretRef: {name: ssh, key: ` + strings.Repeat("a", 254) + `}`), wrong: "spec.infrastructureSpec.secretRef.key"},
	"an empty key of a Secret is refused":              {change: infrastructure(`secretRef: {name: ssh, key: ""}`), wrong: "spec.infrastructureSpec.secretRef.key", blind: emptyIsAbsent},
}
