package workflows_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// subjects are those of certificates, and whether a signature of theirs counts.
var subjects = map[string]bool{
	"https://github.com/finos/five-spot/.github/workflows/release.yaml@refs/tags/v1.2.3":                     true,
	"https://github.com/finos/five-spot/.github/workflows/release.yaml@refs/tags/v1.2.3-rc.1":                true,
	"https://github.com/finos/five-spot/.github/workflows/release.yaml@refs/heads/main":                      false,
	"https://github.com/finos/five-spot/.github/workflows/release.yaml@refs/heads/refs/tags/v1.2.3":          false,
	"https://github.com/finos/five-spot/.github/workflows/ci.yaml@refs/tags/v1.2.3":                          false,
	"https://github.com/finos/five-spot/.github/workflows/releasexyaml@refs/tags/v1.2.3":                     false,
	"https://github.com/somebody/five-spot/.github/workflows/release.yaml@refs/tags/v1.2.3":                  false,
	"https://githubxcom/finos/five-spot/.github/workflows/release.yaml@refs/tags/v1.2.3":                     false,
	"https://example.com/https://github.com/finos/five-spot/.github/workflows/release.yaml@refs/tags/v1.2.3": false,
}

const issuer = "https://token.actions.githubusercontent.com"

// The workflow that signs, what users are told to ask for, and the samples must agree.
func TestOnlyTheReleaseWorkflowPasses(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`IDENTITY='([^']+)'`).FindStringSubmatch(string(text))
	if told == nil || !strings.Contains(string(text), "ISSUER="+issuer+"\n") {
		t.Fatal("SECURITY.md tells no identity and issuer")
	}
	identities := map[string][]string{"SECURITY.md": {told[1]}}
	for _, name := range []string{"policy_controller.yaml", "kyverno.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, "config", "image-verification", name))
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			var object any
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Fatal(err)
			}
			for _, identity := range having(object, "subjectRegExp") {
				if identity["issuer"] != issuer {
					t.Errorf("%s: the issuer is %v", name, identity["issuer"])
				}
				subject, _ := identity["subjectRegExp"].(string)
				identities[name] = append(identities[name], subject)
			}
		}
		if len(identities[name]) != 2 {
			t.Errorf("%s asks for a signature and a bill of materials of %q", name, identities[name])
		}
	}
	for where, patterns := range identities {
		for _, pattern := range patterns {
			identity, err := regexp.Compile(pattern)
			if err != nil {
				t.Fatal(err)
			}
			for subject, counts := range subjects {
				if identity.MatchString(subject) != counts {
					t.Errorf("%s: %s counts: %t", where, subject, !counts)
				}
			}
		}
	}
	if _, err := os.Stat(filepath.Join(root, ".github", "workflows", "release.yaml")); err != nil {
		t.Error(err)
	}
}

// having are the objects in a document that have the key.
func having(document any, key string) []map[string]any {
	var found []map[string]any
	switch document := document.(type) {
	case map[string]any:
		if _, has := document[key]; has {
			found = append(found, document)
		}
		for _, value := range document {
			found = append(found, having(value, key)...)
		}
	case []any:
		for _, value := range document {
			found = append(found, having(value, key)...)
		}
	}
	return found
}
