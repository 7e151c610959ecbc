// Package fuzz holds that whatever reads text of others is fuzzed. The targets themselves
// lie beside the code.
package fuzz_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/finos/five-spot"
)

// folders hold what is shipped.
var folders = []string{"agent", "api", "cmd", "controllers", "pkg"}

// reads is how a function is named that reads text. What calls one of a library reads
// text, too.
var reads = regexp.MustCompile(`^([Pp]arse|[Dd]ecode|[Uu]nmarshal|Atoi$)([A-Z]\w*)?$`)

// excused are functions that read text and need no target, with the reason.
var excused = map[string]string{
	"agent/detect.openProcesses": "the number in /proc/self is the kernel's",
	"pkg/admission.read":         "the manifests are part of the program",
	"pkg/console.read":           "the manifests are part of the program",
	"pkg/networkpolicy.Render":   "the manifest is part of the program",
	"pkg/reclaim/provision.read": "the manifests are part of the program",
}

// function names a function or method: its package's folder, and its name.
type function struct{ folder, name string }

func (f function) String() string { return f.folder + "." + f.name }

// reader is what reads text that is not a function of ours.
var reader = function{name: "reads text"}

// graph is which function may call which, as far as names tell: more than do in truth,
// where methods of different types have one name.
type graph map[function]map[function]bool

func TestWhatReadsTextIsFuzzed(t *testing.T) {
	t.Parallel()
	calls, shipped := readGraph(t)
	reached := map[function]bool{}
	var visit func(function)
	visit = func(f function) {
		if !reached[f] {
			reached[f] = true
			for called := range calls[f] {
				visit(called)
			}
		}
	}
	targets, readers := 0, 0
	for f := range calls {
		if strings.HasPrefix(f.name, "Fuzz") {
			targets++
			visit(f)
		}
	}
	for _, f := range slices.SortedFunc(maps.Keys(shipped), func(a, b function) int { return strings.Compare(a.String(), b.String()) }) {
		if !reads.MatchString(f.name) && !calls[f][reader] {
			continue
		}
		readers++
		reason, isExcused := excused[f.String()]
		switch {
		case !reached[f] && !isExcused:
			t.Errorf("%s is reached by no fuzz target", f)
		case reached[f] && isExcused:
			t.Errorf("%s is fuzzed, and needs no excuse: %s", f, reason)
		}
	}
	for name := range excused {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(shipped)), func(f function) bool { return f.String() == name }) {
			t.Errorf("%s is excused and does not exist", name)
		}
	}
	if targets < 25 || readers < 20 {
		t.Errorf("only %d targets and %d functions were found", targets, readers)
	}
}

// readGraph reads all functions, and which of them are not only for tests.
func readGraph(t *testing.T) (calls graph, shipped map[function]bool) {
	t.Helper()
	calls, shipped = graph{}, map[function]bool{}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil && name == filepath.Join(root, folder):
				return nil // Not every folder is there.
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "testdata":
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(name, ".go"):
				return nil
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			within, err := filepath.Rel(root, filepath.Dir(name))
			for _, f := range calls.add(filepath.ToSlash(within), parsed) {
				if !strings.HasSuffix(name, "_test.go") {
					shipped[f] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return calls, shipped
}

// add adds the functions of one file, and returns them.
func (g graph) add(folder string, file *ast.File) (added []function) {
	imported := map[string]string{}
	for _, spec := range file.Imports {
		if target, err := strconv.Unquote(spec.Path.Value); err == nil {
			if inside, ours := strings.CutPrefix(target, module+"/"); ours {
				name := path.Base(inside)
				if spec.Name != nil {
					name = spec.Name.Name
				}
				imported[name] = inside
			}
		}
	}
	for _, declaration := range file.Decls {
		declared, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		caller := function{folder, declared.Name.Name}
		added = append(added, caller)
		if g[caller] == nil {
			g[caller] = map[function]bool{}
		}
		ast.Inspect(declared, func(node ast.Node) bool {
			g.note(caller, node, imported)
			return true
		})
	}
	return added
}

// note adds what a node may call: a name of the same package, a name of another one of
// ours, or a method of that name anywhere of ours that is imported.
func (g graph) note(caller function, node ast.Node, imported map[string]string) {
	switch node := node.(type) {
	case *ast.Ident:
		g[caller][function{caller.folder, node.Name}] = true
	case *ast.SelectorExpr:
		if qualifier, ok := node.X.(*ast.Ident); ok && imported[qualifier.Name] != "" {
			g[caller][function{imported[qualifier.Name], node.Sel.Name}] = true
			return
		}
		if reads.MatchString(node.Sel.Name) {
			g[caller][reader] = true
		}
		for _, folder := range imported {
			g[caller][function{folder, node.Sel.Name}] = true
		}
	}
}
