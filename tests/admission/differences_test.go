package admission_test

import (
	"regexp"
	"slices"
)

// difference is something that not every layer can judge, and why.
type difference struct {
	// layers accept what the others refuse.
	layers []layer

	// field and text are patterns of the other layers' complaints about it.
	field, text *regexp.Regexp

	reason string
}

func differs(blind []layer, field, text, reason string) *difference {
	return &difference{blind, regexp.MustCompile(`^(` + field + `)$`), regexp.MustCompile(text), reason}
}

// blinds is whether the layer accepts what the difference is about.
func (d *difference) blinds(by layer) bool { return d != nil && slices.Contains(d.layers, by) }

var (
	onlyCRD     = []layer{crd}
	onlyProgram = []layer{program}
)

// What the CRD lets through; the policies refuse all of it but the first.
var (
	cronMeaning = differs([]layer{crd, policy}, `spec\.schedule\.cron`, `must (list|activate|be a cron expression)`,
		"the CRD knows the shape of a cron expression, and the policies no more; which values a field has and whether a day ever comes takes a parser")
	reserved = differs(onlyCRD, `spec\.machineTemplate\.(labels|annotations)|spec\.nodeTaints\[\d+\]\.key`, `reserved|must not begin with`,
		"lists of domains may change, and what is in a CRD may not; they are in the admission policy")
	apiGroups = differs(onlyCRD, `spec\.(bootstrap|infrastructure)Spec\.apiVersion`, `supported values|API group`,
		"which groups are allowed is a flag of the manager")
	providerSpecs = differs(onlyCRD, `spec\.(bootstrap|infrastructure)Spec\.spec\.providerID`, `only the provider`,
		"a schema that keeps unknown fields does not let CEL look at them")
	keySyntax = differs(onlyCRD, `spec\.machineTemplate\.(labels|annotations)`, `name part|prefix part|a qualified name|a valid label key`,
		"a schema cannot bound the keys of a map, so that a CEL rule that parses them costs too much")
	annotationSize = differs(onlyCRD, `spec\.machineTemplate\.annotations`, `262144 bytes`,
		"the sum of 64 annotations of the greatest length is a little more than an object may have")
)

// What the program lets through.
var (
	sinceCreation = differs(onlyProgram, `metadata\.name|spec\.clusterName|<nil>|`, `at most 63 characters|cannot be changed`,
		"a name never changes, so that the CRD has always judged it; and the program does not see the object before")
	emptyIsAbsent = differs(onlyProgram, `spec\.(schedule\.)?(timezone|leadTime|gracefulShutdownTimeout|nodeDrainTimeout)|spec\.(bootstrap|infrastructure)Spec\.secretRef\.key`,
		`""|should be at least|less than`, "to Go an empty string is an absent one, which has a default")
	instantForms = differs(onlyProgram, `spec\.schedule\.override\.until`, ``,
		"Go reads more forms of an instant than RFC 3339 has, and before the year 1000")
	absentIsEmpty = differs(onlyProgram, `spec`, `Required`,
		"to Go an absent object is an empty one, and an empty calendar is fine")
	unknownFields = differs(onlyProgram, ``, `unknown field`,
		"the program never sees fields that the CRD does not have: they are dropped")
)

// differences are all of them.
var differences = []*difference{
	cronMeaning, reserved, apiGroups, providerSpecs, keySyntax, annotationSize,
	sinceCreation, emptyIsAbsent, instantForms, absentIsEmpty, unknownFields,
}

// explains is whether the complaint of another layer is one that blind cannot have.
func explains(blind layer, c complaint) bool {
	return slices.ContainsFunc(differences, func(d *difference) bool {
		return d.blinds(blind) && d.field.MatchString(c.field) && d.text.MatchString(c.text)
	})
}
