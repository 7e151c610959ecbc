package licenses_test

import (
	"testing"

	"github.com/finos/five-spot/tools/images/licenses"
	"github.com/finos/five-spot/tools/images/program"
)

// A module under another licence must not get into a program unseen.
func TestEverythingThatIsShippedIsUnderAnAllowedLicense(t *testing.T) {
	t.Parallel()
	source, err := program.Open(t.Context(), root, "0.0.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range program.All {
		for _, architecture := range []string{"amd64", "arm64"} {
			modules, err := licenses.Collect(t.Context(), source, p, program.Platform{OS: "linux", Architecture: architecture})
			if err != nil {
				t.Error(err)
			}
			if len(modules) < 40 {
				t.Errorf("%s consists of %d modules only", p.Name, len(modules))
			}
		}
	}
}
