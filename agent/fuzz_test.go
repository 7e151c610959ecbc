package main

import (
	"strings"
	"testing"

	"github.com/finos/five-spot/agent/detect"
)

// FuzzParseOptions gives arguments and variables, one a line. Whatever is accepted exposes
// nothing on the network without access control.
func FuzzParseOptions(f *testing.F) {
	f.Add("--node-name=desk-7\n--detector=poll", "POD_NAMESPACE=5spot-system\nLOG_LEVEL=2")
	f.Add("--metrics-bind-address=0.0.0.0:1\n"+strings.Join(access, "\n"), "NODE_NAME=desk-7")
	f.Add("--metrics-bind-address=:1", "NODE_NAME=desk-7\nHEALTH_BIND_ADDRESS=0.0.0.0:2")
	f.Add("--version", "")
	f.Add("--oneshot", "SKIP_HOST_ID_CHECK=maybe")
	f.Add("--\n--node-name", "RECLAIM_DETECTOR=idle")
	f.Fuzz(func(t *testing.T, args, environment string) {
		variables := map[string]string{}
		for line := range strings.SplitSeq(environment, "\n") {
			name, value, _ := strings.Cut(line, "=")
			variables[name] = value
		}
		opts, err := parseOptions(strings.Split(args, "\n"), lookup(variables))
		if err != nil || opts.Version {
			return
		}
		mode, modeErr := detect.ParseMode(string(opts.Detector))
		if opts.NodeName == "" || opts.Namespace == "" || opts.LogLevel < 0 || opts.LogLevel > 5 || modeErr != nil || mode != opts.Detector {
			t.Errorf("accepted: %+v", opts)
		}
		if opts.HealthAddress.Remote() || opts.MetricsAddress.Remote() && opts.MetricsAccess.Off() {
			t.Errorf("open to everybody: %+v", opts)
		}
	})
}
