package admission_test

import (
	"testing"

	"github.com/finos/five-spot/pkg/admission"
)

func TestThePoliciesOfflineAgreeWithTheTable(t *testing.T) {
	t.Parallel()
	for _, version := range []string{oldest, newest} {
		set := policiesOf(t, version, admission.Defaults())
		for base, sentences := range rows() {
			for sentence, r := range sentences {
				t.Run(version+" "+sentence, func(t *testing.T) {
					t.Parallel()
					object, before := r.objects(t, base)
					if found := bySchema(t, object, before); len(found) > 0 {
						r.check(t, policy, found)
						return
					}
					stored, _ := schemasOf(t, object).stored(object)
					w := write{object: stamped(stored), user: "admin"}
					if before != nil {
						w.before, _ = schemasOf(t, before).stored(before)
					}
					r.check(t, policy, set.byPolicies(t.Context(), w))
					set.tellsWell(t, w)
				})
			}
		}
	}
}

// tellsWell is that no answer is the fallback for a message that could not be made.
func (s *policySet) tellsWell(t *testing.T, w write) {
	t.Helper()
	refusals, _ := s.decide(t.Context(), w)
	for _, refusal := range refusals {
		for _, spec := range s.specs {
			for _, validation := range spec.Validations {
				if validation.MessageExpression != "" && refusal.Message == validation.Message {
					t.Errorf("no message could be made, so that it is: %s", refusal.Message)
				}
			}
		}
	}
}
