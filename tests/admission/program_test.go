package admission_test

import (
	"encoding/json"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/pkg/nodetaint"
	"github.com/finos/five-spot/pkg/schedule"
)

// byProgram judges an object as the controller does, from its JSON alone.
func byProgram(object map[string]any) []complaint {
	document, err := json.Marshal(object)
	if err != nil {
		return []complaint{{text: err.Error()}}
	}
	path := field.NewPath("spec")
	if object["kind"] == "MachineCalendar" {
		calendar := &v1alpha1.MachineCalendar{}
		if err := utiljson.Unmarshal(document, calendar); err != nil {
			return []complaint{{text: err.Error()}}
		}
		_, errs := schedule.ParseCalendar(&calendar.Spec, path)
		return complaints(errs)
	}
	sm := &v1alpha1.ScheduledMachine{}
	if err := utiljson.Unmarshal(document, sm); err != nil {
		return []complaint{{text: err.Error()}}
	}
	_, errs := schedule.Parse(&sm.Spec.Schedule, path.Child("schedule"))
	errs = append(errs, machine.Validate(&sm.Spec, machine.ValidateOptions{}, path)...)
	errs = append(errs, nodetaint.Validate(sm.Spec.NodeTaints, path.Child("nodeTaints"))...)
	return complaints(errs)
}

func complaints(errs field.ErrorList) []complaint {
	list := make([]complaint, len(errs))
	for i, err := range errs {
		list[i] = complaint{field: err.Field, text: err.ErrorBody()}
	}
	return list
}

func TestTheProgramAgreesWithTheTable(t *testing.T) {
	t.Parallel()
	for base, sentences := range rows() {
		for sentence, r := range sentences {
			t.Run(sentence, func(t *testing.T) {
				t.Parallel()
				object, _ := r.objects(t, base)
				r.check(t, program, byProgram(object))
			})
		}
	}
}

// A row that only one layer can refuse has to be about what that layer is known for.
func TestDifferencesHaveTheirReasons(t *testing.T) {
	t.Parallel()
	used := map[*difference]bool{}
	for base, sentences := range rows() {
		for sentence, r := range sentences {
			if r.blind == nil {
				continue
			}
			used[r.blind] = true
			object, before := r.objects(t, base)
			found := byProgram(object)
			if r.blind.blinds(program) {
				found = bySchema(t, object, before)
			}
			if len(found) == 0 {
				t.Errorf("%s: no layer refuses it", sentence)
			}
			for _, c := range found {
				if !explains(r.blind.layers[0], c) {
					t.Errorf("%s: %q is not among the known differences", sentence, quoted([]complaint{c}))
				}
			}
		}
	}
	for _, d := range differences {
		if !used[d] || d.reason == "" {
			t.Errorf("no row shows this difference, or it has no reason: %s", d.reason)
		}
	}
}
