// Package docs keeps the documentation true where a program can: what it links to and
// what it names exists.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/finos/five-spot/tests/testenv"
)

// page is one Markdown file.
type page struct {
	path string // from the root, with slashes
	text string
}

// project is the source tree as the docs see it.
type project struct {
	root  string
	files map[string]bool // from the root, with slashes
	pages []page
}

// readProject reads the tree, without what git does not track or what is built.
func readProject(t *testing.T) *project {
	t.Helper()
	root, err := testenv.SourceRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := &project{root: root, files: map[string]bool{}}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		switch {
		case entry.IsDir() && (name == ".git" || name == "bin"):
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		}
		p.files[name] = true
		if name == "README.md" || name == "SECURITY.md" || strings.HasPrefix(name, "docs/") && strings.HasSuffix(name, ".md") {
			text, err := os.ReadFile(path)
			p.pages = append(p.pages, page{name, string(text)})
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.pages) < 20 {
		t.Fatalf("only %d pages were found in %s", len(p.pages), root)
	}
	return p
}

// exists is whether a file or folder of the path, from the root, is there.
func (p *project) exists(path string) bool {
	_, err := os.Stat(filepath.Join(p.root, filepath.FromSlash(path)))
	return err == nil
}

// read is the content of one file.
func (p *project) read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// prose is the page without its blocks of code.
func (p page) prose() string {
	var lines []string
	inBlock := false
	for line := range strings.Lines(p.text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inBlock = !inBlock
			continue
		}
		if !inBlock {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
