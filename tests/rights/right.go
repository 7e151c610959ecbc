// Package rights takes apart what RBAC rules grant and what requests take, so that the two
// can be compared.
package rights

import (
	"net/http"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// Right is one thing that a rule allows, or that a request took.
type Right struct {
	// Verb is the verb of the API, such as list.
	Verb string

	// Group and Resource name what it is about; Resource includes the subresource, such
	// as pods/eviction. Both are empty where URL is set.
	Group, Resource string

	// Name and Namespace narrow it down. In a rule they are empty when there is no limit.
	Name, Namespace string

	// URL is a path that belongs to no resource.
	URL string
}

// String is the right in words, such as "get leases.coordination.k8s.io 5spot-leader in 5spot-system".
func (r Right) String() string {
	if r.URL != "" {
		return r.Verb + " " + r.URL
	}
	resource, subresource, found := strings.Cut(r.Resource, "/")
	if r.Group != "" {
		resource += "." + r.Group
	}
	if found {
		resource += "/" + subresource
	}
	text := r.Verb + " " + resource
	if r.Name != "" {
		text += " " + r.Name
	}
	if r.Namespace != "" {
		text += " in " + r.Namespace
	}
	return text
}

// UsedIn is whether any of the requests took this right.
func (r Right) UsedIn(requests []Right) bool {
	return slices.ContainsFunc(requests, func(taken Right) bool {
		return r.Verb == taken.Verb && r.Group == taken.Group && r.Resource == taken.Resource && r.URL == taken.URL &&
			(r.Name == "" || r.Name == taken.Name) && (r.Namespace == "" || r.Namespace == taken.Namespace)
	})
}

// In are the rights that rules grant, one by one, in a namespace; an empty one
// stands for the whole cluster. A wildcard counts as a name of its own.
func In(rules []rbacv1.PolicyRule, namespace string) []Right {
	var rights []Right
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, verb := range rule.Verbs {
			for _, url := range rule.NonResourceURLs {
				rights = append(rights, Right{Verb: verb, URL: url})
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, name := range names {
						rights = append(rights, Right{Verb: verb, Group: group, Resource: resource, Name: name, Namespace: namespace})
					}
				}
			}
		}
	}
	return rights
}

// TakenBy are the rights that a request took. To apply what is not there takes the right
// to create it as well.
func TakenBy(event *auditv1.Event) []Right {
	object := event.ObjectRef
	if object == nil {
		path, _, _ := strings.Cut(event.RequestURI, "?")
		return []Right{{Verb: event.Verb, URL: path}}
	}
	right := Right{Verb: event.Verb, Group: object.APIGroup, Resource: object.Resource, Name: object.Name, Namespace: object.Namespace}
	if object.Subresource != "" {
		right.Resource += "/" + object.Subresource
	}
	rights := []Right{right}
	if event.Verb == "patch" && event.ResponseStatus != nil && event.ResponseStatus.Code == http.StatusCreated {
		right.Verb = "create"
		rights = append(rights, right)
	}
	return rights
}
