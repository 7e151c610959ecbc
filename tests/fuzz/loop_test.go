package fuzz_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/tests/testenv"
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
	return testenv.Make(t.Context(), root, "fuzz", "FUZZTIME=1x", "GO_FOLDERS="+folder)
}
