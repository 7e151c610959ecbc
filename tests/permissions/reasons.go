package main

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/tests/rights"
)

//go:embed reasons.yaml
var reasonsFile []byte

// section is a chapter of the page.
type section struct {
	Section string        `json:"section"`
	About   string        `json:"about"`
	Roles   []explanation `json:"roles"`
}

// explanation says why a role is what it is.
type explanation struct {
	// Name is that of the role, and Kind tells it from another of that name; it may be
	// left out where there is only one.
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"`

	// About is to whom and where it is bound, in sentences.
	About string `json:"about"`

	Reasons []reason `json:"reasons"`
}

// reason is why a role grants some rights: every verb on every resource, or path.
type reason struct {
	// Resources are written as plural.group/subresource, or without a group.
	Resources []string `json:"resources,omitempty"`
	URLs      []string `json:"urls,omitempty"`
	Names     []string `json:"names,omitempty"`
	Verbs     []string `json:"verbs"`
	Why       string   `json:"why"`
}

func readReasons() ([]section, error) {
	var sections []section
	if err := yaml.UnmarshalStrict(reasonsFile, &sections); err != nil {
		return nil, fmt.Errorf("failed to read reasons.yaml: %w", err)
	}
	return sections, nil
}

// rights are what the reason is for, in the words of rights.Right.
func (r reason) rights() []string {
	names := r.Names
	if len(names) == 0 {
		names = []string{""}
	}
	var all []string
	for _, verb := range r.Verbs {
		for _, what := range slices.Concat(r.Resources, r.URLs) {
			for _, name := range names {
				all = append(all, strings.TrimSpace(verb+" "+what+" "+name))
			}
		}
	}
	return all
}

// find is the role that an explanation is about.
func find(roles map[roleName]role, about explanation) (roleName, error) {
	var found []roleName
	for name := range roles {
		if name.name == about.Name && (about.Kind == "" || about.Kind == name.kind) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return roleName{}, fmt.Errorf("reasons.yaml explains %s, of which there are %d", about.Name, len(found))
	}
	return found[0], nil
}

// compare is an error for every rule that has not exactly one reason or is a wildcard, and
// for every reason that has no rule.
func compare(roles map[roleName]role, sections []section) error {
	unexplained := maps.Clone(roles)
	var errs []error
	for _, section := range sections {
		for _, about := range section.Roles {
			name, err := find(roles, about)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if _, first := unexplained[name]; !first {
				errs = append(errs, fmt.Errorf("reasons.yaml explains %s twice", name))
			}
			delete(unexplained, name)
			errs = append(errs, compareRole(name, roles[name], about))
		}
	}
	for name, role := range unexplained {
		errs = append(errs, fmt.Errorf("reasons.yaml does not explain %s of %s", name, role.path))
	}
	return errors.Join(errs...)
}

func compareRole(name roleName, role role, about explanation) error {
	explained := map[string]int{}
	var errs []error
	for _, reason := range about.Reasons {
		if strings.TrimSpace(reason.Why) == "" {
			errs = append(errs, fmt.Errorf("%s: reasons.yaml says nothing about %q", name, reason.rights()))
		}
		for _, right := range reason.rights() {
			explained[right]++
		}
	}
	for _, right := range rights.In(role.Rules, "") {
		if strings.Contains(right.String(), "*") {
			errs = append(errs, fmt.Errorf("%s grants more than can be listed: %s", name, right))
		}
		switch explained[right.String()] {
		case 0:
			errs = append(errs, fmt.Errorf("%s grants the right to %s, for which reasons.yaml has no reason", name, right))
		case 1:
		default:
			errs = append(errs, fmt.Errorf("%s: reasons.yaml has several reasons for the right to %s", name, right))
		}
		delete(explained, right.String())
	}
	for _, right := range slices.Sorted(maps.Keys(explained)) {
		errs = append(errs, fmt.Errorf("reasons.yaml has a reason for the right to %s, which %s does not grant", right, name))
	}
	return errors.Join(errs...)
}
