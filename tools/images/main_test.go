package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const version = "1.2.3"

// root is the project's folder.
var root, _ = filepath.Abs("../..")

// built has the layouts of a build of the project, which take a while.
var built struct {
	folder, printed string
	err             error
}

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	var err error
	if built.folder, err = os.MkdirTemp("", "five-spot-images-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.printed, built.err = layoutsOf(context.Background(), root, built.folder)
	code := m.Run()
	os.RemoveAll(built.folder)
	os.Exit(code)
}

// layoutsOf makes the layouts of the project in the folder, and returns what is printed.
func layoutsOf(ctx context.Context, project, folder string) (string, error) {
	var printed bytes.Buffer
	err := run(ctx, []string{"layout", "-root", project, "-version", version, "-revision", "abc", "-output", folder}, &printed)
	return printed.String(), err
}

func needBuild(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the programs")
	}
	if built.err != nil {
		t.Fatal(built.err)
	}
}

// copyProject copies what belongs to the project into another folder, as if it had been
// fetched there.
func copyProject(t *testing.T) string {
	t.Helper()
	target := filepath.Join(t.TempDir(), "somewhere", "else")
	list := exec.CommandContext(t.Context(), "git", "-C", root, "-c", "safe.directory="+root, "ls-files", "--cached", "--others", "--exclude-standard")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSuffix(name, "\n")
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue // It is deleted, but that is not committed yet.
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(target, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(target, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return target
}

// The second build has another folder and owner-only files, and meets settings that
// change what Go builds.
func TestBuildingTwiceGivesTheSameDigests(t *testing.T) {
	needBuild(t)
	t.Setenv("GOFLAGS", "-buildvcs=true -tags=other")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("CGO_ENABLED", "1")
	t.Setenv("TZ", "Asia/Kolkata")
	second, err := layoutsOf(t.Context(), copyProject(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if second != built.printed || strings.Count(second, "sha256:") != 2 {
		t.Errorf("first:\n%ssecond:\n%s", built.printed, second)
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ args, complaint string }{
		"no command":             {"", "a command is missing"},
		"an unknown command":     {"paint", "paint is no command"},
		"no output":              {"layout -version 1.2.3", "-output is missing"},
		"no version":             {"layout -output x", "must be a version without a v"},
		"a version with a v":     {"layout -output x -version v1.2.3", "must be a version without a v"},
		"an operating system":    {"layout -output x -version 1.2.3 -platforms plan9/amd64", `platform "plan9/amd64"`},
		"a half platform":        {"layout -output x -version 1.2.3 -platforms linux/amd64,linux", `platform "linux"`},
		"a word":                 {"layout -output x -version 1.2.3 word", `"word" is no flag`},
		"no place to push to":    {"push -output x", "failed to push"},
		"many platforms for one": {"rootfs -output x -version 1.2.3", "-platforms: must be one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), strings.Fields(c.args), &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), c.complaint) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	for _, epoch := range []string{"now", "-1", "1.5"} {
		if _, err := creationTime(epoch); err == nil {
			t.Errorf("SOURCE_DATE_EPOCH=%s is taken", epoch)
		}
	}
}
