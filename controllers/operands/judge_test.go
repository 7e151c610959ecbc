package operands

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/finos/five-spot/controllers/onepass"
	"github.com/finos/five-spot/pkg/operand"
)

func TestWhatBecomesOfAnObjectThatIsNotAsItShouldBe(t *testing.T) {
	t.Parallel()
	rules := schema.GroupResource{Group: "monitoring.coreos.com", Resource: "prometheusrules"}
	for sentence, c := range map[string]struct {
		err    error
		again  time.Duration
		failed bool
		said   string
	}{
		"it is":                                {nil, 0, false, ""},
		"the cluster has no such kind":         {errNotServed, 0, false, ""},
		"it is being deleted":                  {fmt.Errorf("x %w", operand.ErrBeingDeleted), onepass.RetryAfter, false, ""},
		"somebody else wrote first":            {apierrors.NewConflict(rules, "x", nil), settledCheck, false, ""},
		"its kind is there and not served yet": {&meta.NoKindMatchError{}, settledCheck, false, ""},
		"it is of a newer manager":             {fmt.Errorf("x %w", operand.ErrNewerInstalled), 0, false, "is left alone"},
		"it is of somebody else":               {fmt.Errorf("x %w", operand.ErrForeign), 0, false, "is left alone"},
		"the CRD that is to own it has gone":   {fmt.Errorf("x %w", operand.ErrNoOwner), onepass.RetryAfter, false, "its owner is missing"},
		"a right is missing":                   {apierrors.NewForbidden(rules, "x", nil), onepass.RetryAfter, false, "a right is missing"},
		"its kind has become another":          {apierrors.NewBadRequest("unknown field"), onepass.RetryAfter, false, "it is refused"},
		"its kind lacks a field of ours":       {errors.New("failed to create typed patch object: .spec.a: field not declared in schema"), onepass.RetryAfter, false, "it is refused"},
		"the API server does not answer":       {errors.New("connection refused"), 0, true, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			var said []string
			ctx := logr.NewContext(t.Context(), funcr.New(func(_, args string) { said = append(said, args) }, funcr.Options{}))
			r, one := New(Options{}), &Operand{Object: &unstructured.Unstructured{}}
			for range 3 {
				var errs []error
				g.Expect(r.judge(ctx, one, c.err, &errs)).To(Equal(c.again))
				g.Expect(errs).To(HaveLen(map[bool]int{true: 1}[c.failed]))
			}
			if c.said == "" {
				g.Expect(said).To(BeEmpty())
			} else {
				g.Expect(said).To(ConsistOf(ContainSubstring(c.said)), "once")
			}
		})
	}
}
