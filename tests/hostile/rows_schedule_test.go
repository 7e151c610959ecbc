package hostile_test

import "strings"

// scheduleAttacks are about when a machine is wanted.
var scheduleAttacks = map[string]attack{
	"a cron of every second":                {change: another(`cron: "* * * * * *"`), refused: "spec.schedule.cron"},
	"a cron by @every":                      {change: another(`cron: "@every 1ns"`), refused: "spec.schedule.cron"},
	"a cron with a zone of its own":         {change: another(`cron: "TZ=Local 0 0 * * *"`), refused: "spec.schedule.cron"},
	"a cron that runs a program":            {change: another(`cron: "0 0 * * $(reboot)"`), refused: "spec.schedule.cron"},
	"a cron with a line feed":               {change: another(`cron: "0 0 * * *\n* * * * *"`), refused: "spec.schedule.cron"},
	"a cron with a huge step":               {change: another(`cron: "0 */99999999999999999999 * * *"`), refused: "spec.schedule.cron"},
	"a cron with a range to the end":        {change: another(`cron: "0 0-4294967296 * * *"`), refused: "spec.schedule.cron"},
	"a cron with a step of zero":            {change: another(`cron: "0 */0 * * *"`), refused: "spec.schedule.cron"},
	"a cron for a day that never comes":     {change: another(`cron: "0 0 30 2 *"`), refused: "spec.schedule.cron"},
	"a cron of 257 characters":              {change: another(`cron: "0 ` + strings.Repeat("1,", 124) + `1 * * *"`), refused: "spec.schedule.cron"},
	"a cron that builds and removes a host": {change: another(`cron: "*/15 * * * *"`), refused: "spec.schedule"},
	"a duration that overflows":             {change: another(`cron: "@daily", duration: 9223372036854775807h`), refused: "spec.schedule.duration"},
	"a duration below zero":                 {change: another(`cron: "@daily", duration: "-1h"`), refused: "spec.schedule.duration"},
	"a duration of nothing":                 {change: another(`cron: "@daily", duration: 0s`), refused: "spec.schedule.duration"},
	"a duration in Arabic digits":           {change: another(`cron: "@daily", duration: "١h"`), refused: "spec.schedule.duration"},
	"all three forms at once":               {change: scheduled(`cron: "@daily", windows: [{days: [mon], start: "00:00", end: "24:00"}]`), refused: "spec.schedule"},
	"no form at all":                        {change: another(``), refused: "spec.schedule"},
	"hours beyond the day":                  {change: scheduled(`hoursOfDay: ["0-24"]`), refused: "spec.schedule.hoursOfDay"},
	"hours below zero":                      {change: scheduled(`hoursOfDay: ["-1"]`), refused: "spec.schedule.hoursOfDay"},
	"hours with a huge number":              {change: scheduled(`hoursOfDay: ["0-99999999999999999999"]`), refused: "spec.schedule.hoursOfDay"},
	"hours with full-width digits":          {change: scheduled(`hoursOfDay: ["９-１７"]`), refused: "spec.schedule.hoursOfDay"},
	"days with an expression in them":       {change: scheduled(`daysOfWeek: ["mon' || true || 'x"]`), refused: "spec.schedule.daysOfWeek"},
	"days in look-alikes":                   {change: scheduled(`daysOfWeek: ["mоn"]`), refused: "spec.schedule.daysOfWeek"},
	"days with a right-to-left override":    {change: scheduled(`daysOfWeek: ["mon\u202e-fri"]`), refused: "spec.schedule.daysOfWeek"},
	"eight days":                            {grow: put(several(8, "mon"), "spec", "schedule", "daysOfWeek"), refused: "spec.schedule.daysOfWeek"},
	"a day of 65 characters":                {change: scheduled(`daysOfWeek: ["` + strings.Repeat("mon,", 16) + `mon"]`), refused: "spec.schedule.daysOfWeek"},
	"fifty-one windows":                     {change: another(``), grow: put(several(51, window), "spec", "schedule", "windows"), refused: "spec.schedule.windows"},
	"fifty windows that are all the same":   {change: another(``), grow: put(several(50, window), "spec", "schedule", "windows"), harmless: "they are one window"},
	"a window at minute 60":                 {change: another(`windows: [{days: [mon], start: "00:60", end: "24:00"}]`), refused: "spec.schedule.windows"},
	"a window that ends after the day":      {change: another(`windows: [{days: [mon], start: "00:00", end: "24:01"}]`), refused: "spec.schedule.windows"},
	"a hundred and one exceptions": {
		grow: put(several(101, exception), "spec", "schedule", "exceptions"), refused: "spec.schedule.exceptions",
	},
	"an exception of ten thousand years": {
		change: scheduled(`exceptions: [{from: "0001-01-01", to: "9999-12-31", state: Active}]`), harmless: "it is a schedule that is always open",
	},
	"an exception that ends before it begins": {change: scheduled(`exceptions: [{from: "2026-12-26", to: "2026-12-24", state: Active}]`), refused: "spec.schedule.exceptions"},
	"an exception on a day that is none":      {change: scheduled(`exceptions: [{from: "2026-02-30", to: "2026-02-31", state: Active}]`), refused: "spec.schedule.exceptions"},
	"an exception with a state of its own":    {change: scheduled(`exceptions: [{from: "2026-12-24", to: "2026-12-24", state: Owned}]`), refused: "spec.schedule.exceptions"},
	"an exception whose reason moves the cursor": {
		grow:     put([]any{map[string]any{"from": "2020-01-01", "to": "2099-12-31", "state": "Active", "reason": controls}}, "spec", "schedule", "exceptions"),
		harmless: "it is quoted",
	},
	"an override for ever": {
		change: scheduled(`override: {state: Active, until: "9999-12-31T23:59:59Z"}`), harmless: "its author may edit the schedule as well",
	},
	"an override that ended in the year 1000": {change: scheduled(`override: {state: Inactive, until: "1000-01-01T00:00:00Z"}`), harmless: "it is over"},
	"an override until a number":              {grow: put(map[string]any{"state": "Active", "until": 1e30}, "spec", "schedule", "override"), refused: "until"},
	"an override until a list":                {grow: put(map[string]any{"state": "Active", "until": []any{}}, "spec", "schedule", "override"), refused: "until"},
	"an override until the year 10000":        {change: scheduled(`override: {state: Active, until: "10000-01-01T00:00:00Z"}`), refused: "until"},
	"an override in a leap second":            {change: scheduled(`override: {state: Active, until: "2026-12-31T23:59:60Z"}`), refused: "until"},
	"an override with a reason that is HTML and ANSI": {
		grow:     put(map[string]any{"state": "Active", "until": "2099-01-01T00:00:00Z", "reason": "<img src=x onerror=alert(1)>\x1b]8;;http://evil.example\x07"}, "spec", "schedule", "override"),
		harmless: "it is quoted",
	},
	"an override with a reason of 257 characters": {
		grow:    put(map[string]any{"state": "Active", "until": "2099-01-01T00:00:00Z", "reason": strings.Repeat("ü", 257)}, "spec", "schedule", "override"),
		refused: "spec.schedule.override.reason",
	},
	"a calendar in another place":     {change: scheduled(`calendarRef: {name: ../../secrets}`), refused: "spec.schedule.calendarRef.name"},
	"a calendar that does not exist":  {change: scheduled(`calendarRef: {name: nobody}`), refused: "nobody"},
	"a lead time of a day":            {change: scheduled(`leadTime: 24h`), refused: "spec.schedule.leadTime"},
	"a lead time below zero":          {change: scheduled(`leadTime: "-1s"`), refused: "spec.schedule.leadTime"},
	"a lead time that overflows":      {change: scheduled(`leadTime: 99999999999999999999h`), refused: "spec.schedule.leadTime"},
	"a lead time with many zeros":     {change: scheduled(`leadTime: ` + strings.Repeat("0", 100) + `1h`), refused: "spec.schedule.leadTime"},
	"enabled as a text":               {change: scheduled(`enabled: "false"`), refused: "spec.schedule.enabled"},
	"enabled as null":                 {raw: replaced(`"schedule":{`, `"schedule":{"enabled":null,`), harmless: "it is the default, true"},
	"a schedule that is null":         {raw: replaced(`"schedule":{`, `"schedule":null,"x":{`), refused: "spec.schedule"},
	"a schedule that is a list":       {grow: put([]any{}, "spec", "schedule"), refused: "spec.schedule"},
	"a field that there is not":       {change: scheduled(`everyMillisecond: true`), harmless: "the API server drops it; kubectl refuses it", stored: withoutField("everyMillisecond")},
	"a field in another case":         {change: scheduled(`Enabled: false`), harmless: "the API server drops it: names of fields have a case", stored: withoutField("Enabled")},
	"timeouts that overflow":          {change: `{spec: {gracefulShutdownTimeout: 9223372036854775808s}}`, refused: "spec.gracefulShutdownTimeout"},
	"a timeout beyond a day":          {change: `{spec: {nodeDrainTimeout: 25h}}`, refused: "spec.nodeDrainTimeout"},
	"a timeout in fractions":          {change: `{spec: {nodeDrainTimeout: 1.5h}}`, refused: "spec.nodeDrainTimeout"},
	"a timeout as a number":           {grow: put(300, "spec", "nodeDrainTimeout"), refused: "spec.nodeDrainTimeout"},
	"no time to shut down":            {change: `{spec: {gracefulShutdownTimeout: 0s, nodeDrainTimeout: 0s}}`, harmless: "Cluster API, to which 0 is for ever, is given a second"},
	"a priority beyond all others":    {grow: put(2147483648, "spec", "priority"), refused: "spec.priority"},
	"a priority below zero":           {grow: put(-1, "spec", "priority"), refused: "spec.priority"},
	"a priority with a fraction":      {grow: put(0.5, "spec", "priority"), refused: "spec.priority"},
	"a priority of 1e400":             {raw: replaced(`"clusterName"`, `"priority":1e400,"clusterName"`), refused: "1e400"},
	"a kill switch as a text":         {change: `{spec: {killSwitch: "true"}}`, refused: "spec.killSwitch"},
	"a kill switch as a number":       {grow: put(1, "spec", "killSwitch"), refused: "spec.killSwitch"},
	"the name of a Cluster with path": {change: `{spec: {clusterName: ../prod}}`, refused: "spec.clusterName"},
	"a Cluster of another namespace":  {change: `{spec: {clusterName: other/prod}}`, refused: "spec.clusterName"},
	"a Cluster of 64 characters":      {change: `{spec: {clusterName: ` + strings.Repeat("a", 64) + `}}`, refused: "spec.clusterName"},
	"a Cluster in look-alikes":        {change: `{spec: {clusterName: "trаding"}}`, refused: "spec.clusterName"},
	"a Cluster that does not exist":   {change: `{spec: {clusterName: somebody-elses}}`, refused: "spec.clusterName"},
}

var (
	window    = map[string]any{"days": []any{"mon-sun"}, "start": "00:00", "end": "24:00"}
	exception = map[string]any{"from": "2026-12-24", "to": "2026-12-24", "state": "Active"}
)

// withoutField is whether a field of the schedule was not kept.
func withoutField(name string) func(map[string]any) bool {
	return func(object map[string]any) bool {
		_, kept := object["spec"].(map[string]any)["schedule"].(map[string]any)[name]
		return !kept
	}
}

// zoneAttacks are about the zone, which is looked up in files.
var zoneAttacks = map[string]attack{
	"the zone of the machine":             {change: zone("Local"), refused: "spec.schedule.timezone"},
	"a zone with a path":                  {change: zone("../../../etc/passwd"), refused: "spec.schedule.timezone"},
	"a zone with a path inside":           {change: zone("Europe/../../etc/shadow"), refused: "spec.schedule.timezone"},
	"a zone that is a file of the system": {change: zone("/etc/localtime"), refused: "spec.schedule.timezone"},
	"a zone with a NUL":                   {change: zone("UTC\\u0000"), refused: "spec.schedule.timezone"},
	"a zone with a line feed":             {change: zone("UTC\\nX"), refused: "spec.schedule.timezone"},
	"a zone with an escape sequence":      {change: zone("\\u001b[2J"), refused: "spec.schedule.timezone"},
	"a zone with an expression":           {change: zone("UTC' == 'UTC"), refused: "spec.schedule.timezone"},
	"a zone that nobody knows":            {change: zone("Europe/Atlantis"), refused: "spec.schedule.timezone"},
	"a zone by its offset":                {change: zone("+02:00"), refused: "spec.schedule.timezone"},
	"a zone of 65 characters":             {change: zone(strings.Repeat("A", 65)), refused: "spec.schedule.timezone"},
	"a zone in another case":              {change: zone("europe/berlin"), refused: "spec.schedule.timezone"},
	"a zone that is a folder":             {change: zone("Europe"), refused: "spec.schedule.timezone"},
	"a zone that is no zone's file":       {change: zone("zone.tab"), refused: "spec.schedule.timezone"},
	"an empty zone":                       {change: zone(""), refused: "spec.schedule.timezone"},
}

func zone(name string) string { return scheduled(`timezone: "` + name + `"`) }

// controls moves the cursor, changes the colour, reverses the direction and rings.
const controls = "\x1b[2J\x1b[31m\u202egnp.exe\u2066\u200b\a\b\r\n\x00\x7f\u0085"
