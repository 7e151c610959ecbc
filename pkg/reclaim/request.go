package reclaim

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/finos/five-spot/api/v1alpha1"
)

// reasonPrefix is before the pattern in the reason of every request.
const reasonPrefix = "process-match: "

// Request is that a Node asks to be reclaimed.
type Request struct {
	// Reason says why, for people.
	Reason string

	// At is when the agent saw the reason; zero where the Node does not tell, or not
	// in RFC 3339. Nothing is decided by it: it is the agent's clock.
	At time.Time
}

// Matched is the request for a process that matches the pattern. It names the pattern
// only: a command line may hold what nobody else should read.
func Matched(pattern string, at time.Time) Request {
	return Request{Reason: reasonPrefix + strings.ToValidUTF8(pattern, "�"), At: at}
}

// RequestOf returns what a Node with these annotations asks for; ok is whether it asks
// at all. Only the exact value counts, so that a partial or mistaken write removes no
// machine.
func RequestOf(annotations map[string]string) (request Request, ok bool) {
	if annotations[v1alpha1.ReclaimRequestedAnnotation] != v1alpha1.ReclaimRequestedValue {
		return Request{}, false
	}
	request.Reason = annotations[v1alpha1.ReclaimReasonAnnotation]
	if at, err := time.Parse(time.RFC3339, annotations[v1alpha1.ReclaimRequestedAtAnnotation]); err == nil {
		request.At = at
	}
	return request, true
}

// Annotations are what the request puts on the Node.
func (r Request) Annotations() map[string]string {
	return map[string]string{
		v1alpha1.ReclaimRequestedAnnotation:   v1alpha1.ReclaimRequestedValue,
		v1alpha1.ReclaimReasonAnnotation:      r.Reason,
		v1alpha1.ReclaimRequestedAtAnnotation: r.At.UTC().Format(time.RFC3339),
	}
}

// AnnotationKeys are the annotations of a request: all that an agent may write.
func AnnotationKeys() []string {
	return []string{
		v1alpha1.ReclaimRequestedAnnotation,
		v1alpha1.ReclaimReasonAnnotation,
		v1alpha1.ReclaimRequestedAtAnnotation,
	}
}

// isPattern is whether a pattern can match anything, within its bounds.
func isPattern(pattern string) bool {
	return pattern != "" && utf8.RuneCountInString(pattern) <= maxPattern
}
