package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// code is what stands between backticks in the prose of all pages.
func (p *project) code(use func(page page, word string)) {
	for _, page := range p.pages {
		for _, found := range inLine.FindAllStringSubmatch(page.prose(), -1) {
			use(page, found[1])
		}
	}
}

var (
	goFile = regexp.MustCompile(`^[\w./-]+\.go$`)
	folder = regexp.MustCompile(`^(\.ci|api|config|controllers|docs|pkg|tests|tools)(/[\w.-]+)*/?$`)
)

// TestFilesThatAreNamedExist looks for every Go file and every path of this project
// that stands between backticks. A bare name may be anywhere.
func TestFilesThatAreNamedExist(t *testing.T) {
	t.Parallel()
	p := readProject(t)
	bare := map[string]bool{}
	for file := range p.files {
		bare[path.Base(file)] = true
	}
	looked := 0
	p.code(func(page page, word string) {
		switch {
		case goFile.MatchString(word) && !strings.Contains(word, "/"):
			looked++
			if !bare[word] {
				t.Errorf("%s names the file %s, which does not exist", page.path, word)
			}
		case goFile.MatchString(word), folder.MatchString(word) && path.Clean(word) != ".":
			looked++
			if !p.exists(word) && !p.exists(path.Join(path.Dir(page.path), word)) {
				t.Errorf("%s names %s, which does not exist", page.path, word)
			}
		}
	})
	if looked < 50 {
		t.Errorf("only %d files and folders were named", looked)
	}
}

var (
	qualified = regexp.MustCompile(`^([a-z][a-z0-9]*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?(?:\(\))?$`)
	testName  = regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w*$`)
)

// TestIdentifiersThatAreNamedExist looks for every name like package.Name whose package
// is one of ours, and for every test.
func TestIdentifiersThatAreNamedExist(t *testing.T) {
	t.Parallel()
	p := readProject(t)
	declared, tests := p.identifiers(t)
	looked := 0
	p.code(func(page page, word string) {
		if testName.MatchString(word) && !tests[word] {
			t.Errorf("%s names %s, which does not exist", page.path, word)
		}
		found := qualified.FindStringSubmatch(word)
		if found == nil || declared[found[1]] == nil {
			return
		}
		looked++
		for _, name := range found[2:] {
			if name != "" && !declared[found[1]][name] {
				t.Errorf("%s names %s, but package %s has no %s", page.path, word, found[1], name)
			}
		}
	})
	if looked < 5 {
		t.Errorf("only %d identifiers were named", looked)
	}
}

// identifiers are the exported names of each package, those of methods and fields
// among them, and the names of all tests.
func (p *project) identifiers(t *testing.T) (declared map[string]map[string]bool, tests map[string]bool) {
	t.Helper()
	declared, tests = map[string]map[string]bool{}, map[string]bool{}
	for file := range p.files {
		if !strings.HasSuffix(file, ".go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.root, filepath.FromSlash(file)), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		names := declared[parsed.Name.Name]
		if names == nil {
			names = map[string]bool{}
			declared[parsed.Name.Name] = names
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			for _, name := range declaredBy(node) {
				names[name.Name] = true
				if testName.MatchString(name.Name) {
					tests[name.Name] = true
				}
			}
			return true
		})
	}
	return declared, tests
}

func declaredBy(node ast.Node) []*ast.Ident {
	switch declaration := node.(type) {
	case *ast.FuncDecl:
		return []*ast.Ident{declaration.Name}
	case *ast.TypeSpec:
		return []*ast.Ident{declaration.Name}
	case *ast.ValueSpec:
		return declaration.Names
	case *ast.Field:
		return declaration.Names
	}
	return nil
}

// TestMakeTargetsThatAreNamedExist looks for every `make target`.
func TestMakeTargetsThatAreNamedExist(t *testing.T) {
	t.Parallel()
	p := readProject(t)
	makefile := p.read(t, "Makefile")
	call := regexp.MustCompile(`\bmake((?: +[a-z][a-z-]*)+)`)
	looked := 0
	for _, page := range p.pages {
		commands := regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(page.text, -1)
		for _, command := range append(commands, inLine.FindAllStringSubmatch(page.prose(), -1)...) {
			shown, _, _ := strings.Cut(command[1], "#")
			if found := call.FindStringSubmatch(shown); found != nil && strings.HasPrefix(shown, "make") {
				for target := range strings.FieldsSeq(found[1]) {
					looked++
					if !strings.Contains(makefile, "\n"+target+":") {
						t.Errorf("%s names make %s, which does not exist", page.path, target)
					}
				}
			}
		}
	}
	if looked < 20 {
		t.Errorf("only %d make targets were named", looked)
	}
}

var (
	shownYAML = regexp.MustCompile("(?ms)^( *)```ya?ml\n(.*?)^ *```")
	variable  = regexp.MustCompile(`(?m)^ *- name: ([A-Z][A-Z_]+)$`)
)

// TestShownYAMLCanBeRead parses every block, and looks for each environment variable in
// the reference.
func TestShownYAMLCanBeRead(t *testing.T) {
	t.Parallel()
	p := readProject(t)
	reference := p.read(t, "docs/reference/manager.md")
	blocks, variables := 0, 0
	for _, page := range p.pages {
		for _, block := range shownYAML.FindAllStringSubmatch(page.text, -1) {
			blocks++
			text := regexp.MustCompile("(?m)^"+block[1]).ReplaceAllString(block[2], "")
			for document := range strings.SplitSeq(text, "\n---\n") {
				var read map[string]any
				if err := yaml.UnmarshalStrict([]byte(document), &read); err != nil || len(read) == 0 {
					t.Errorf("%s: %v:\n%s", page.path, err, document)
				}
			}
			for _, name := range variable.FindAllStringSubmatch(text, -1) {
				variables++
				if !strings.Contains(reference, "`"+name[1]+"`") {
					t.Errorf("%s sets %s, which the manager does not know", page.path, name[1])
				}
			}
		}
	}
	if blocks < 15 || variables < 2 {
		t.Errorf("only %d blocks with %d variables were found", blocks, variables)
	}
}
