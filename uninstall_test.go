package main

import (
	"strings"
	"testing"
)

func TestMistakesInTheFlagsOfUninstallOperandsAreSaid(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct{ arg, want string }{
		"something beside flags":   {"all", `unexpected argument "all"`},
		"no name of a Lease":       {"--lease-name=", "--lease-name must not be empty"},
		"no time":                  {"--timeout=0s", "--timeout must be more than 0"},
		"a flag that there is not": {"--force", "unknown flag: --force"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if err := run([]string{uninstallOperands, c.arg}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}
