// Command golangci-lint is golangci-lint with kube-api-linter compiled in, because
// that linter is distributed as a plugin only.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/golangci/golangci-lint/v2/pkg/commands"
	"github.com/golangci/golangci-lint/v2/pkg/exitcodes"
	_ "sigs.k8s.io/kube-api-linter" // registers kubeapilinter
)

const linterModule = "github.com/golangci/golangci-lint/v2"

func main() {
	info := commands.BuildInfo{GoVersion: runtime.Version(), Version: linterVersion()}
	if err := commands.Execute(info); err != nil {
		fmt.Fprintf(os.Stderr, "failed to run golangci-lint: %v\n", err)
		os.Exit(exitcodes.Failure)
	}
}

// linterVersion is the version of golangci-lint that this program was built from.
func linterVersion() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, module := range build.Deps {
		if module.Path == linterModule {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return "unknown"
}
