package reclaim_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/reclaim"
)

func TestARequestIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	at := time.Date(2026, 11, 23, 9, 30, 0, 0, time.FixedZone("", 3600))
	written := reclaim.Matched("java -jar ide.jar", at)
	g.Expect(written.Annotations()).To(Equal(map[string]string{
		"5spot.finos.org/reclaim-requested":    "true",
		"5spot.finos.org/reclaim-reason":       "process-match: java -jar ide.jar",
		"5spot.finos.org/reclaim-requested-at": "2026-11-23T08:30:00Z",
	}))
	read, ok := reclaim.RequestOf(written.Annotations())
	g.Expect(ok).To(BeTrue())
	g.Expect(read.Reason).To(Equal(written.Reason))
	g.Expect(read.At.Equal(at)).To(BeTrue())
	for key := range written.Annotations() {
		g.Expect(reclaim.AnnotationKeys()).To(ContainElement(key))
	}
}

func TestOnlyTheExactValueRequests(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"true", "True", "1", "", "false", "true "} {
		_, requested := reclaim.RequestOf(map[string]string{v1alpha1.ReclaimRequestedAnnotation: value})
		NewWithT(t).Expect(requested).To(Equal(value == "true"), "value %q", value)
	}
}

func TestARequestWithoutATimeCounts(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	request, ok := reclaim.RequestOf(map[string]string{
		v1alpha1.ReclaimRequestedAnnotation: "true", v1alpha1.ReclaimRequestedAtAnnotation: "yesterday",
	})
	g.Expect(ok).To(BeTrue())
	g.Expect(request.At).To(BeZero())
}
