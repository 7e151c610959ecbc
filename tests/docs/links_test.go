package docs_test

import (
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	inLine  = regexp.MustCompile("`([^`]+)`")
)

// TestLinksLead follows every link to a file of this project, and to a heading in it.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	p := readProject(t)
	anchors := map[string]map[string]bool{}
	for _, page := range p.pages {
		anchors[page.path] = page.anchors()
	}
	followed := 0
	for _, page := range p.pages {
		for _, found := range link.FindAllStringSubmatch(inLine.ReplaceAllString(page.prose(), ""), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			followed++
			file, anchor, _ := strings.Cut(found[1], "#")
			target := page.path
			if file != "" {
				target = path.Join(path.Dir(page.path), file)
			}
			if !p.exists(target) {
				t.Errorf("%s links to %s, which does not exist", page.path, found[1])
			} else if anchor != "" && !anchors[target][anchor] {
				t.Errorf("%s links to %s, but %s has no such heading", page.path, found[1], target)
			}
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were found", followed)
	}
}

// TestEveryPageIsInTheIndex follows the links of docs/README.md.
func TestEveryPageIsInTheIndex(t *testing.T) {
	t.Parallel()
	p := readProject(t)
	index := p.read(t, "docs/README.md")
	for _, page := range p.pages {
		inDocs, isDocs := strings.CutPrefix(page.path, "docs/")
		if isDocs && inDocs != "README.md" && !strings.Contains(index, "]("+inDocs+")") {
			t.Errorf("docs/README.md does not link to %s", inDocs)
		}
	}
}

// anchors are the names that headings get: lower case, blanks become hyphens, and only
// letters, digits, hyphens and underscores stay.
func (p page) anchors() map[string]bool {
	names := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(p.prose(), -1) {
		names[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, found[1])] = true
	}
	return names
}
