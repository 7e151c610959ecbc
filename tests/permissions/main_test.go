package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

const root = "../.."

func TestThePageIsUpToDate(t *testing.T) {
	t.Parallel()
	want, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the roles and the reasons say: run make docs", page)
	}
}

func TestEveryRuleHasOneReasonAndEveryReasonARule(t *testing.T) {
	t.Parallel()
	const file = "config/desks.yaml"
	desks := roleName{"ClusterRole", "desks"}
	rule := rbacv1.PolicyRule{APIGroups: []string{"example.com"}, Resources: []string{"desks", "desks/status"}, Verbs: []string{"get"}}
	desk := reason{Resources: []string{"desks.example.com"}, Verbs: []string{"get"}, Why: "to look"}
	status := reason{Resources: []string{"desks.example.com/status"}, Verbs: []string{"get"}, Why: "to look closer"}
	narrow := rule
	narrow.ResourceNames = []string{"one"}
	for name, c := range map[string]struct {
		rules   []rbacv1.PolicyRule
		reasons []explanation
		want    []string
	}{
		"all is explained": {[]rbacv1.PolicyRule{rule}, []explanation{{Name: "desks", Reasons: []reason{desk, status}}}, nil},
		"a rule without a reason": {
			[]rbacv1.PolicyRule{rule},
			[]explanation{{Name: "desks", Reasons: []reason{desk}}},
			[]string{"ClusterRole desks grants the right to get desks.example.com/status, for which reasons.yaml has no reason"},
		},
		"a reason without a rule": {
			nil,
			[]explanation{{Name: "desks", Reasons: []reason{desk}}},
			[]string{"reasons.yaml has a reason for the right to get desks.example.com, which ClusterRole desks does not grant"},
		},
		"two reasons": {
			[]rbacv1.PolicyRule{rule},
			[]explanation{{Name: "desks", Reasons: []reason{desk, desk, status}}},
			[]string{"ClusterRole desks: reasons.yaml has several reasons for the right to get desks.example.com"},
		},
		"a reason for one object only": {
			[]rbacv1.PolicyRule{narrow},
			[]explanation{{Name: "desks", Reasons: []reason{desk, status}}},
			[]string{"get desks.example.com one, for which", "get desks.example.com, which", "get desks.example.com/status one, for which", "get desks.example.com/status, which"},
		},
		"a reason that says nothing": {
			[]rbacv1.PolicyRule{rule},
			[]explanation{{Name: "desks", Reasons: []reason{desk, {Resources: status.Resources, Verbs: status.Verbs}}}},
			[]string{"says nothing about"},
		},
		"a wildcard": {
			[]rbacv1.PolicyRule{{APIGroups: []string{"example.com"}, Resources: []string{"*"}, Verbs: []string{"get"}}},
			[]explanation{{Name: "desks", Reasons: []reason{{Resources: []string{"*.example.com"}, Verbs: []string{"get"}, Why: "lazy"}}}},
			[]string{"more than can be listed: get *.example.com"},
		},
		"a role that nobody explains": {nil, nil, []string{"does not explain ClusterRole desks of " + file}},
		"a role that is explained twice": {
			[]rbacv1.PolicyRule{rule},
			[]explanation{{Name: "desks", Reasons: []reason{desk, status}}, {Name: "desks", Reasons: []reason{desk, status}}},
			[]string{"explains ClusterRole desks twice"},
		},
		"an explanation of no role": {
			[]rbacv1.PolicyRule{rule},
			[]explanation{{Name: "desks", Reasons: []reason{desk, status}}, {Name: "tables"}},
			[]string{"explains tables, of which there are 0"},
		},
		"a role of another kind": {
			[]rbacv1.PolicyRule{rule},
			[]explanation{{Name: "desks", Kind: "Role", Reasons: []reason{desk, status}}},
			[]string{"explains desks, of which there are 0", "does not explain ClusterRole desks"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := compare(map[roleName]role{desks: {Rules: c.rules, path: file}}, []section{{Roles: c.reasons}})
			if len(c.want) == 0 && err != nil {
				t.Fatal(err)
			}
			lines := 0
			if err != nil {
				lines = len(strings.Split(err.Error(), "\n"))
			}
			if lines != len(c.want) {
				t.Errorf("%d complaints instead of %d: %v", lines, len(c.want), err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestRolesAreFoundInAnyFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const clusterRole = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: a\n"
	write("config/deep/below/some.yaml", "kind: Other\n---\n"+clusterRole+"---\n"+strings.ReplaceAll(clusterRole, "ClusterRole", "Role"))
	write("config/binding.yaml", strings.ReplaceAll(clusterRole, "ClusterRole", "ClusterRoleBinding"))
	write("elsewhere/role.yaml", strings.ReplaceAll(clusterRole, "name: a", "name: b"))
	roles, err := readRoles(folder)
	if err != nil || len(roles) != 2 || roles[roleName{"ClusterRole", "a"}].path != "config/deep/below/some.yaml" || roles[roleName{"Role", "a"}].path == "" {
		t.Errorf("%v, %v", roles, err)
	}
	write("config/again.yaml", clusterRole)
	if _, err := readRoles(folder); err == nil || !strings.Contains(err.Error(), "ClusterRole a is in config/again.yaml and in config/deep/below/some.yaml") {
		t.Error(err)
	}
}
