package fuzz_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// A target that fails must neither be overlooked nor keep the others from running.
func TestMakeFuzzRunsAllTargetsAndFailsWithOne(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	out, err := makeFuzz(t, "tests/fuzz/testdata/two")
	g.Expect(err).To(HaveOccurred(), out)
	g.Expect(out).To(ContainSubstring("FAILED   FuzzOne"))
	g.Expect(out).To(ContainSubstring("ok       FuzzOther"))
}

func makeFuzz(t *testing.T, folder string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", "fuzz", "FUZZTIME=1x", "GO_FOLDERS="+folder)
	cmd.Dir = root
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "MAKE") && !strings.HasPrefix(variable, "MFLAGS=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
