package manifests_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fence     = regexp.MustCompile("(?ms)^( *)```ya?ml\n(.*?)^ *```")
	separator = regexp.MustCompile(`(?m)^---.*\n`)
	ours      = regexp.MustCompile(`(?m)^apiVersion: 5spot\.finos\.org/`)
	roles     = regexp.MustCompile(`(?m)^apiVersion: rbac\.authorization\.k8s\.io/`)
	namespace = regexp.MustCompile(`(?m)^kind: Namespace$`)
	complete  = regexp.MustCompile(`(?m)^apiVersion: .+\n(?s:.*)^kind: |^kind: (?s:.*)^apiVersion: `)
)

// documents are the objects in some YAML.
func documents(content string) []string {
	var found []string
	for _, document := range separator.Split(content, -1) {
		if complete.MatchString(document) && !strings.Contains(document, "apiVersion: kustomize.config.k8s.io/") {
			found = append(found, document)
		}
	}
	return found
}

// fenced are our objects, and rights, in the YAML blocks of a page, which may be indented.
func fenced(page string) []string {
	var found []string
	for _, block := range fence.FindAllStringSubmatch(page, -1) {
		content := regexp.MustCompile("(?m)^"+block[1]).ReplaceAllString(block[2], "")
		for _, document := range documents(content) {
			if ours.MatchString(document) || roles.MatchString(document) {
				found = append(found, document)
			}
		}
	}
	return found
}

// shown are the objects of the pages and the samples, by where they stand.
func shown(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	add := func(path string, list []string) {
		for i, document := range list {
			found[fmt.Sprintf("%s object %d", path, i+1)] = document
		}
	}
	for _, folder := range []string{"README.md", "docs", "config/samples"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			switch filepath.Ext(path) {
			case ".md":
				add(name, fenced(string(content)))
			case ".yaml":
				add(name, documents(string(content)))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func TestEveryShownManifestApplies(t *testing.T) {
	t.Parallel()
	found := shown(t)
	if len(found) < 10 {
		t.Errorf("only %d objects were found", len(found))
	}
	createNamespaces(t, slices.Collect(maps.Values(found)))
	for where, manifest := range found {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			if ours.MatchString(manifest) {
				if err := validate(manifest); err != nil {
					t.Errorf("the controller refuses it: %v", err)
				}
			}
			needServer(t)
			apply(t, manifest, "--server-side", "--dry-run=server", "--validate=strict")
		})
	}
}

// createNamespaces creates the Namespaces among the objects: a dry run does not, and in
// one that does not exist nothing can be applied.
func createNamespaces(t *testing.T, manifests []string) {
	t.Helper()
	if server == nil {
		return
	}
	for _, manifest := range manifests {
		if namespace.MatchString(manifest) {
			apply(t, manifest, "--server-side")
		}
	}
}

// The finder of objects has to find them.
func TestObjectsAreFoundInPages(t *testing.T) {
	t.Parallel()
	page := "text\n\n```yaml\n---\n# comment\napiVersion: 5spot.finos.org/v1alpha1\nkind: A\n---\nkind: B\napiVersion: 5spot.finos.org/v1alpha1\n```\n\n" +
		"- item\n\n  ```yaml\n  apiVersion: 5spot.finos.org/v1alpha1\n  kind: C\n  ```\n\n```yaml\nschedule: {}\n```\n\n" +
		"```yaml\napiVersion: v1\nkind: D\n```\n\n```yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: F\n```\n\n```json\napiVersion: 5spot.finos.org/v1alpha1\nkind: E\n```\n"
	var kinds []string
	for _, document := range fenced(page) {
		kinds = append(kinds, regexp.MustCompile(`kind: (.)`).FindStringSubmatch(document)[1])
	}
	if got := strings.Join(kinds, ""); got != "ABCF" {
		t.Errorf("found %s", got)
	}
}
