package lifecycle

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheDocumentedTableIsTheRuleList keeps docs/lifecycle.md true: it has a row for
// each rule, in order, and what the rows name exists.
func TestTheDocumentedTableIsTheRuleList(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "lifecycle.md"))
	if err != nil {
		t.Fatal(err)
	}
	var names []Rule
	source := packageSource(t)
	for _, row := range regexp.MustCompile("(?m)^\\| [0-9]+ \\| `([a-zA-Z]+)` .*$").FindAllStringSubmatch(string(page), -1) {
		names = append(names, Rule(row[1]))
		cells := strings.Split(row[0], "|")
		for _, named := range regexp.MustCompile("`([a-zA-Z.]+)`").FindAllStringSubmatch(cells[8]+cells[9], -1) {
			if !strings.Contains(source, "func "+named[1]+"(") && !strings.Contains(source, "file "+named[1]+"\n") {
				t.Errorf("row %s names %s, which does not exist", row[1], named[1])
			}
		}
	}
	if diff := cmp.Diff(rulesInOrder, names); diff != "" {
		t.Errorf("rows of docs/lifecycle.md (-want +got):\n%s", diff)
	}
}

// packageSource is the source of this package, each file behind its name.
func packageSource(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("file " + file + "\n" + string(text))
	}
	return all.String()
}
