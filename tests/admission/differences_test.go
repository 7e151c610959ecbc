package admission_test

import (
	"regexp"
	"slices"
)

// difference is something that only one layer can judge, and why.
type difference struct {
	// layer accepts what the others refuse.
	layer layer

	// field and text are patterns of the other layers' complaints about it.
	field, text *regexp.Regexp

	reason string
}

func differs(blind layer, field, text, reason string) *difference {
	return &difference{blind, regexp.MustCompile(`^(` + field + `)$`), regexp.MustCompile(text), reason}
}

// What the CRD lets through.
var (
	cronMeaning = differs(crd, `spec\.schedule\.cron`, `must (list|activate|be a cron expression)`,
		"the CRD knows the shape of a cron expression; which values a field has and whether a day ever comes takes a parser")
	reserved = differs(crd, `spec\.machineTemplate\.(labels|annotations)|spec\.nodeTaints\[\d+\]\.key`, `reserved|must not begin with`,
		"lists of domains may change, and what is in a CRD may not; they are in the admission policy")
	apiGroups = differs(crd, `spec\.(bootstrap|infrastructure)Spec\.apiVersion`, `supported values`,
		"which groups are allowed is a flag of the manager")
	providerSpecs = differs(crd, `spec\.(bootstrap|infrastructure)Spec\.spec\.providerID`, `only the provider`,
		"a schema that keeps unknown fields does not let CEL look at them")
	keySyntax = differs(crd, `spec\.machineTemplate\.(labels|annotations)`, `name part|prefix part|a qualified name|a valid label key`,
		"a schema cannot bound the keys of a map, so that a CEL rule that parses them costs too much")
	annotationSize = differs(crd, `spec\.machineTemplate\.annotations`, `262144 bytes`,
		"the sum of 64 annotations of the greatest length is a little more than an object may have")
)

// What the program lets through.
var (
	sinceCreation = differs(program, `metadata\.name|spec\.clusterName|<nil>|`, `at most 63 characters|cannot be changed`,
		"a name never changes, so that the CRD has always judged it; and the program does not see the object before")
	emptyIsAbsent = differs(program, `spec\.(schedule\.)?(timezone|leadTime|gracefulShutdownTimeout|nodeDrainTimeout)|spec\.(bootstrap|infrastructure)Spec\.secretRef\.key`,
		`""|should be at least|less than`, "to Go an empty string is an absent one, which has a default")
	instantForms = differs(program, `spec\.schedule\.override\.until`, ``,
		"Go reads more forms of an instant than RFC 3339 has, and before the year 1000")
	absentIsEmpty = differs(program, `spec`, `Required`,
		"to Go an absent object is an empty one, and an empty calendar is fine")
	unknownFields = differs(program, ``, `unknown field`,
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
		return d.layer == blind && d.field.MatchString(c.field) && d.text.MatchString(c.text)
	})
}
