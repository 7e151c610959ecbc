package admission_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

const crdFolder = "../../config/crd/bases"

// schemas does with an object what an API server does that serves the CRD, without
// one.
type schemas struct {
	structural *structuralschema.Structural
	openAPI    validation.SchemaValidator
	rules      *cel.Validator
}

var loadSchemas = sync.OnceValues(func() (map[string]*schemas, error) {
	byKind := map[string]*schemas{}
	for _, plural := range []string{"scheduledmachines", "machinecalendars"} {
		crd, err := readCRD(plural)
		if err != nil {
			return nil, err
		}
		if byKind[crd.Spec.Names.Kind], err = newSchemas(crd); err != nil {
			return nil, err
		}
	}
	return byKind, nil
})

func readCRD(plural string) (*apiextensionsv1.CustomResourceDefinition, error) {
	document, err := os.ReadFile(filepath.Join(crdFolder, "5spot.finos.org_"+plural+".yaml"))
	if err != nil {
		return nil, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	return crd, yaml.UnmarshalStrict(document, crd)
}

func newSchemas(crd *apiextensionsv1.CustomResourceDefinition) (*schemas, error) {
	internal := &apiextensions.CustomResourceValidation{}
	err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(crd.Spec.Versions[0].Schema, internal, nil)
	if err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	openAPI, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	return &schemas{structural, openAPI, cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
}

func schemasOf(tb testing.TB, object map[string]any) *schemas {
	tb.Helper()
	byKind, err := loadSchemas()
	if err != nil {
		tb.Fatalf("the CRDs: %v", err)
	}
	return byKind[object["kind"].(string)]
}

// stored is the object as it would be stored: without what the schema does not have,
// and with defaults. unknown are the fields that it lost.
func (s *schemas) stored(object map[string]any) (stored map[string]any, unknown []string) {
	stored = runtime.DeepCopyJSON(object)
	delete(stored, "status")
	unknown = pruning.PruneWithOptions(stored, s.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.PruneNonNullableNullsWithoutDefaults(stored, s.structural)
	defaulting.Default(stored, s.structural)
	return stored, unknown
}

// validate judges a stored object.
func (s *schemas) validate(tb testing.TB, stored, before map[string]any) field.ErrorList {
	tb.Helper()
	errs := validation.ValidateCustomResource(nil, stored, s.openAPI)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, stored)...)
	blocking := []field.ErrorType{
		field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid,
	}
	if slices.ContainsFunc(errs, func(err *field.Error) bool { return slices.Contains(blocking, err.Type) }) {
		return errs
	}
	var old any
	if before != nil {
		old = before
	}
	more, _ := s.rules.Validate(tb.Context(), nil, s.structural, stored, old, celconfig.RuntimeCELCostBudget)
	return append(errs, more...)
}

// bySchema judges an object as an API server does that validates fields strictly.
func bySchema(tb testing.TB, object, before map[string]any) []complaint {
	tb.Helper()
	s := schemasOf(tb, object)
	stored, unknown := s.stored(object)
	if len(unknown) > 0 {
		return []complaint{{text: "unknown field " + strings.Join(unknown, ", ")}}
	}
	if before != nil {
		before, _ = s.stored(before)
	}
	return complaints(s.validate(tb, stored, before))
}

func TestTheSchemaAgreesWithTheTable(t *testing.T) {
	t.Parallel()
	for base, sentences := range rows() {
		for sentence, r := range sentences {
			t.Run(sentence, func(t *testing.T) {
				t.Parallel()
				object, before := r.objects(t, base)
				r.check(t, crd, bySchema(t, object, before))
			})
		}
	}
}
