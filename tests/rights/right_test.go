package rights

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

func TestRightsAreToldOneByOne(t *testing.T) {
	t.Parallel()
	granted := In([]rbacv1.PolicyRule{
		{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"a", "b"}, Verbs: []string{"get"}},
		{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}},
	}, "ns")
	var told []string
	for _, right := range granted {
		told = append(told, right.String())
	}
	if diff := cmp.Diff([]string{
		"create events in ns", "create events.events.k8s.io in ns", "patch events in ns", "patch events.events.k8s.io in ns",
		"get leases.coordination.k8s.io a in ns", "get leases.coordination.k8s.io b in ns", "get /metrics",
	}, told); diff != "" {
		t.Error(diff)
	}
	if told := (Right{Verb: "update", Group: "example.com", Resource: "desks/finalizers"}).String(); told != "update desks.example.com/finalizers" {
		t.Error(told)
	}
}

func TestARightIsUsedByARequestWithinItsLimits(t *testing.T) {
	t.Parallel()
	requests := []Right{
		{Verb: "get", Resource: "secrets", Name: "key", Namespace: "ns"},
		{Verb: "create", Resource: "pods/eviction", Name: "p", Namespace: "ns"},
		{Verb: "get", URL: "/healthz"},
	}
	for name, c := range map[string]struct {
		right Right
		used  bool
	}{
		"anywhere":                     {Right{Verb: "get", Resource: "secrets"}, true},
		"in this namespace":            {Right{Verb: "get", Resource: "secrets", Namespace: "ns"}, true},
		"in another namespace":         {Right{Verb: "get", Resource: "secrets", Namespace: "other"}, false},
		"only this object":             {Right{Verb: "get", Resource: "secrets", Name: "key"}, true},
		"only another object":          {Right{Verb: "get", Resource: "secrets", Name: "other"}, false},
		"another verb":                 {Right{Verb: "list", Resource: "secrets"}, false},
		"another group":                {Right{Verb: "get", Group: "example.com", Resource: "secrets"}, false},
		"a subresource":                {Right{Verb: "create", Resource: "pods/eviction"}, true},
		"the resource above it":        {Right{Verb: "create", Resource: "pods"}, false},
		"a path without a resource":    {Right{Verb: "get", URL: "/healthz"}, true},
		"another path":                 {Right{Verb: "get", URL: "/metrics"}, false},
		"a wildcard is a name as well": {Right{Verb: "*", Resource: "secrets"}, false},
	} {
		if used := c.right.UsedIn(requests); used != c.used {
			t.Errorf("%s: %t", name, used)
		}
	}
}

func TestRequestsTakeRights(t *testing.T) {
	t.Parallel()
	answered := func(code int32) *metav1.Status { return &metav1.Status{Code: code} }
	object := &auditv1.ObjectReference{APIGroup: "apps", Resource: "daemonsets", Subresource: "status", Namespace: "ns", Name: "agent"}
	patch := Right{Verb: "patch", Group: "apps", Resource: "daemonsets/status", Namespace: "ns", Name: "agent"}
	create := patch
	create.Verb = "create"
	for name, c := range map[string]struct {
		event auditv1.Event
		want  []Right
	}{
		"of a change":                    {auditv1.Event{Verb: "patch", ObjectRef: object, ResponseStatus: answered(http.StatusOK)}, []Right{patch}},
		"of applying what was not there": {auditv1.Event{Verb: "patch", ObjectRef: object, ResponseStatus: answered(http.StatusCreated)}, []Right{patch, create}},
		"of a path":                      {auditv1.Event{Verb: "get", RequestURI: "/metrics?debug=1"}, []Right{{Verb: "get", URL: "/metrics"}}},
	} {
		if diff := cmp.Diff(c.want, TakenBy(&c.event)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
