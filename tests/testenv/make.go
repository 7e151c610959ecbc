package testenv

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// Make runs make in the folder, whatever the make that runs the tests was given, and
// returns what it prints.
func Make(ctx context.Context, folder string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "make", args...)
	cmd.Dir = folder
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "MAKE") && !strings.HasPrefix(variable, "MFLAGS=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
