package admission_test

import "strings"

// exception is a change to a schedule with one exception.
func exception(fields string) string { return scheduled("exceptions: [{" + fields + "}]") }

const oneException = "spec.schedule.exceptions[0]"

// exceptionRows are about exceptions; those of a calendar are of the same type.
var exceptionRows = map[string]row{
	"an exception of several days":            {change: exception(`from: "2026-12-24", to: "2027-01-03", state: Inactive, reason: holidays`)},
	"an exception of one day":                 {change: exception(`from: "2026-12-24", to: "2026-12-24", state: Active`)},
	"an exception on a leap day":              {change: exception(`from: "2028-02-29", to: "2028-02-29", state: Active`)},
	"a reason of 256 characters":              {change: exception(`from: "2026-12-24", to: "2026-12-24", state: Active, reason: "` + strings.Repeat("ü", 256) + `"`)},
	"100 exceptions":                          {grow: set(several(100, map[string]any{"from": "2026-12-24", "to": "2026-12-24", "state": "Active"}), "schedule", "exceptions")},
	"101 exceptions are too many":             {grow: set(several(101, map[string]any{"from": "2026-12-24", "to": "2026-12-24", "state": "Active"}), "schedule", "exceptions"), wrong: "spec.schedule.exceptions", says: "100"},
	"an exception that ends before it begins": {change: exception(`from: "2026-12-24", to: "2026-12-23", state: Active`), wrong: oneException, says: "before from"},
	"an exception on 30 February":             {change: exception(`from: "2026-02-30", to: "2026-03-01", state: Active`), wrong: oneException + ".from"},
	"an exception until 30 February":          {change: exception(`from: "2026-02-01", to: "2026-02-30", state: Active`), wrong: oneException + ".to"},
	"an exception on 29 February of no leap year": {
		change: exception(`from: "2026-02-29", to: "2026-03-01", state: Active`), wrong: oneException + ".from",
	},
	"an exception on day 0":                     {change: exception(`from: "2026-01-00", to: "2026-03-01", state: Active`), wrong: oneException + ".from"},
	"a date without leading zeros is refused":   {change: exception(`from: "2026-1-2", to: "2026-03-01", state: Active`), wrong: oneException + ".from"},
	"a date with a time is refused":             {change: exception(`from: "2026-01-02T00:00:00Z", to: "2026-03-01", state: Active`), wrong: oneException + ".from"},
	"a date the other way round is refused":     {change: exception(`from: "24.12.2026", to: "2026-12-24", state: Active`), wrong: oneException + ".from"},
	"an empty date is refused":                  {change: exception(`from: "", to: "2026-12-24", state: Active`), wrong: oneException + ".from"},
	"an exception without beginning is refused": {change: exception(`to: "2026-12-24", state: Active`), wrong: oneException + ".from"},
	"an exception without end is refused":       {change: exception(`from: "2026-12-24", state: Active`), wrong: oneException + ".to"},
	"an exception without state is refused":     {change: exception(`from: "2026-12-24", to: "2026-12-24"`), wrong: oneException + ".state"},
	"an exception of unknown state is refused":  {change: exception(`from: "2026-12-24", to: "2026-12-24", state: "Off"`), wrong: oneException + ".state"},
	"an exception's state in lower case is refused": {
		change: exception(`from: "2026-12-24", to: "2026-12-24", state: active`), wrong: oneException + ".state",
	},
	"a reason of 257 characters is refused": {
		change: exception(`from: "2026-12-24", to: "2026-12-24", state: Active, reason: "` + strings.Repeat("ü", 257) + `"`), wrong: oneException + ".reason",
	},
}

// zoneRows are about time zones.
var zoneRows = map[string]row{
	"UTC":                                  {change: scheduled(`timezone: UTC`)},
	"a zone of a city":                     {change: scheduled(`timezone: America/New_York`)},
	"a zone of three parts":                {change: scheduled(`timezone: America/Argentina/Buenos_Aires`)},
	"a zone with a plus":                   {change: scheduled(`timezone: Etc/GMT+5`)},
	"a zone with a hyphen":                 {change: scheduled(`timezone: America/Port-au-Prince`)},
	"no zone":                              {change: scheduled(`timezone: null`)},
	"the zone Local is refused":            {change: scheduled(`timezone: Local`), wrong: "spec.schedule.timezone"},
	"a zone that does not exist":           {change: scheduled(`timezone: Mars/Olympus_Mons`), wrong: "spec.schedule.timezone"},
	"a zone in lower case is refused":      {change: scheduled(`timezone: europe/berlin`), wrong: "spec.schedule.timezone"},
	"a folder of zones is refused":         {change: scheduled(`timezone: America`), wrong: "spec.schedule.timezone"},
	"a zone that ends in a slash":          {change: scheduled(`timezone: America/`), wrong: "spec.schedule.timezone"},
	"a zone that leaves its folder":        {change: scheduled(`timezone: ../../etc/passwd`), wrong: "spec.schedule.timezone"},
	"a zone that leaves its folder later":  {change: scheduled(`timezone: America/../UTC`), wrong: "spec.schedule.timezone"},
	"an absolute path is no zone":          {change: scheduled(`timezone: /etc/localtime`), wrong: "spec.schedule.timezone"},
	"an offset is no zone":                 {change: scheduled(`timezone: "+02:00"`), wrong: "spec.schedule.timezone"},
	"a zone with a line break is refused":  {change: scheduled(`timezone: "UTC\n"`), wrong: "spec.schedule.timezone"},
	"a zone with an escape is refused":     {change: scheduled(`timezone: "UTC\e[31m"`), wrong: "spec.schedule.timezone"},
	"a zone with a zero byte is refused":   {change: scheduled(`timezone: "UTC\0"`), wrong: "spec.schedule.timezone"},
	"a zone of 65 characters is refused":   {change: scheduled(`timezone: ` + strings.Repeat("A", 65)), wrong: "spec.schedule.timezone"},
	"an empty zone is refused":             {change: scheduled(`timezone: ""`), wrong: "spec.schedule.timezone", blind: emptyIsAbsent},
	"a zone that is a number is refused":   {change: scheduled(`timezone: 2`), wrong: "spec.schedule.timezone"},
	"Local in lower case is refused":       {change: scheduled(`timezone: local`), wrong: "spec.schedule.timezone"},
	"an abbreviation that is none is none": {change: scheduled(`timezone: CESTX`), wrong: "spec.schedule.timezone"},
}

const until = "spec.schedule.override.until"

// scheduleRows are about calendarRef, override, leadTime and enabled.
var scheduleRows = map[string]row{
	"a calendar":                                  {change: scheduled(`calendarRef: {name: us.bank-holidays}`)},
	"a calendar without name is refused":          {change: scheduled(`calendarRef: {}`), wrong: "spec.schedule.calendarRef.name"},
	"a calendar with an empty name is refused":    {change: scheduled(`calendarRef: {name: ""}`), wrong: "spec.schedule.calendarRef.name"},
	"a calendar in capitals is refused":           {change: scheduled(`calendarRef: {name: US}`), wrong: "spec.schedule.calendarRef.name"},
	"a calendar with an empty label is refused":   {change: scheduled(`calendarRef: {name: us..holidays}`), wrong: "spec.schedule.calendarRef.name"},
	"a calendar with a slash is refused":          {change: scheduled(`calendarRef: {name: ns/us}`), wrong: "spec.schedule.calendarRef.name"},
	"a calendar of 253 characters":                {change: scheduled(`calendarRef: {name: ` + strings.Repeat("a", 253) + `}`)},
	"a calendar of 254 characters is refused":     {change: scheduled(`calendarRef: {name: ` + strings.Repeat("a", 254) + `}`), wrong: "spec.schedule.calendarRef.name"},
	"an override":                                 {change: scheduled(`override: {state: Active, until: "2026-12-24T18:00:00Z", reason: maintenance}`)},
	"an override with an offset":                  {change: scheduled(`override: {state: Inactive, until: "2026-12-24T18:00:00+05:30"}`)},
	"an override with a fraction":                 {change: scheduled(`override: {state: Inactive, until: "2026-12-24T18:00:00.123456789Z"}`)},
	"an override without until is refused":        {change: scheduled(`override: {state: Active}`), wrong: until},
	"an override without state is refused":        {change: scheduled(`override: {until: "2026-12-24T18:00:00Z"}`), wrong: "spec.schedule.override.state"},
	"an override of unknown state is refused":     {change: scheduled(`override: {state: Paused, until: "2026-12-24T18:00:00Z"}`), wrong: "spec.schedule.override.state"},
	"an override until a date is refused":         {change: scheduled(`override: {state: Active, until: "2026-12-24"}`), wrong: until},
	"an override without offset is refused":       {change: scheduled(`override: {state: Active, until: "2026-12-24T18:00:00"}`), wrong: until},
	"an override until a t in lower case":         {change: scheduled(`override: {state: Active, until: "2026-12-24t18:00:00Z"}`), wrong: until},
	"an override until a z in lower case":         {change: scheduled(`override: {state: Active, until: "2026-12-24T18:00:00z"}`), wrong: until},
	"an override with an offset of days":          {change: scheduled(`override: {state: Active, until: "2026-12-24T18:00:00+99:99"}`), wrong: until},
	"an override with an odd fraction is refused": {change: scheduled(`override: {state: Active, until: "2026-12-24T18:00:00x5Z"}`), wrong: until},
	"an override until 30 February":               {change: scheduled(`override: {state: Active, until: "2026-02-30T18:00:00Z"}`), wrong: until},
	"an override until the zero time is refused":  {change: scheduled(`override: {state: Active, until: "0001-01-01T00:00:00Z"}`), wrong: until},
	"an override until long ago is refused":       {change: scheduled(`override: {state: Active, until: "0900-01-01T00:00:00Z"}`), wrong: until, blind: instantForms},
	// The type of a string that has a format is not checked against lists: only the
	// rules refuse these.
	"an until that is a list is refused":    {change: scheduled(`override: {state: Active, until: [{}]}`), wrong: until},
	"an until that is a number is refused":  {change: scheduled(`override: {state: Active, until: 5}`), wrong: until},
	"an until that is an object is refused": {change: scheduled(`override: {state: Active, until: {a: b}}`), wrong: until},
	"a date that is a list is refused":      {change: exception(`from: [{}], to: "2026-12-24", state: Active`), wrong: oneException},
	"an empty until is refused":             {change: scheduled(`override: {state: Active, until: ""}`), wrong: until},
	"an override's reason of 257 characters": {
		change: scheduled(`override: {state: Active, until: "2026-12-24T18:00:00Z", reason: "` + strings.Repeat("x", 257) + `"}`), wrong: "spec.schedule.override.reason",
	},
	"no lead time":                         {change: scheduled(`leadTime: 0s`)},
	"a lead time of two hours":             {change: scheduled(`leadTime: 2h`)},
	"a lead time of two hours in seconds":  {change: scheduled(`leadTime: 7200s`)},
	"a lead time of more than two hours":   {change: scheduled(`leadTime: 121m`), wrong: "spec.schedule.leadTime", says: "at most 2h"},
	"a lead time of more than a day":       {change: scheduled(`leadTime: 25h`), wrong: "spec.schedule.leadTime", says: "at most"},
	"a lead time that would overflow":      {change: scheduled(`leadTime: 99999999999999h`), wrong: "spec.schedule.leadTime", says: "at most"},
	"a lead time of two units is refused":  {change: scheduled(`leadTime: 1h5m`), wrong: "spec.schedule.leadTime"},
	"a negative lead time is refused":      {change: scheduled(`leadTime: -5m`), wrong: "spec.schedule.leadTime"},
	"an empty lead time is refused":        {change: scheduled(`leadTime: ""`), wrong: "spec.schedule.leadTime", blind: emptyIsAbsent},
	"a schedule that is disabled":          {change: scheduled(`enabled: false`)},
	"enabled as a string is refused":       {change: scheduled(`enabled: "true"`), wrong: "spec.schedule.enabled"},
	"enabled as a number is refused":       {change: scheduled(`enabled: 1`), wrong: "spec.schedule.enabled"},
	"enabled that is null has its default": {grow: set(nil, "schedule", "enabled")},
	"everything that a schedule can have": {change: scheduled(`timezone: Europe/London, enabled: true, leadTime: 15m, calendarRef: {name: uk},
		exceptions: [{from: "2026-12-24", to: "2026-12-26", state: Inactive}], override: {state: Active, until: "2026-12-24T18:00:00Z"}`)},
}
