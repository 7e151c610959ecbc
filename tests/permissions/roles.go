package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// folders are where roles are looked for.
var folders = []string{"config", "pkg/reclaim/provision/manifests", "pkg/admission"}

// roleName tells a Role from a ClusterRole of its name.
type roleName struct{ kind, name string }

func (n roleName) String() string { return n.kind + " " + n.name }

// role is a ClusterRole or a Role, from a file below the root.
type role struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Rules []rbacv1.PolicyRule `json:"rules"`

	path string
}

// readRoles are all roles that the project ships. One that is there twice is an error.
func readRoles(root string) (map[roleName]role, error) {
	roles := map[roleName]role{}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) || entry != nil && (entry.IsDir() || filepath.Ext(path) != ".yaml") {
				return nil
			}
			if err != nil {
				return err
			}
			return readFile(root, path, roles)
		})
		if err != nil {
			return nil, fmt.Errorf("failed to read the roles: %w", err)
		}
	}
	return roles, nil
}

func readFile(root, path string, into map[roleName]role) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		found := role{}
		if err := yaml.Unmarshal(document, &found); err != nil || !strings.HasPrefix(found.APIVersion, rbacv1.GroupName+"/") {
			continue // Something else that is no object.
		}
		if found.Kind != "ClusterRole" && found.Kind != "Role" {
			continue
		}
		name := roleName{found.Kind, found.Name}
		if found.path, err = filepath.Rel(root, path); err != nil {
			return err
		}
		if other, twice := into[name]; twice {
			return fmt.Errorf("%s is in %s and in %s", name, other.path, found.path)
		}
		into[name] = found
	}
	return nil
}
