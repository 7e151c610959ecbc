package testenv

import (
	"net/http"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/finos/five-spot/tests/rights"
)

// RightsUsed are the rights that the requests of a user took which the authorizer
// allowed, each once. It needs the audit log.
func (cp *ControlPlane) RightsUsed(user string) ([]rights.Right, error) {
	events, err := cp.AuditEvents(func(event *auditv1.Event) bool {
		return event.User.Username == user && event.Annotations["authorization.k8s.io/decision"] == "allow"
	})
	if err != nil {
		return nil, err
	}
	seen := map[rights.Right]bool{}
	var used []rights.Right
	for i := range events {
		for _, right := range rights.TakenBy(&events[i]) {
			if !seen[right] {
				seen[right] = true
				used = append(used, right)
			}
		}
	}
	return used, nil
}

// Forbidden are the requests of a user since an instant that were answered with 403,
// whoever refused them. It needs the audit log.
func (cp *ControlPlane) Forbidden(user string, since time.Time) ([]auditv1.Event, error) {
	return cp.AuditEvents(func(event *auditv1.Event) bool {
		return event.User.Username == user && event.RequestReceivedTimestamp.After(since) && event.ResponseStatus != nil && event.ResponseStatus.Code == http.StatusForbidden
	})
}
