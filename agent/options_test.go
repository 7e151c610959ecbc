package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/serve"
	"github.com/finos/five-spot/pkg/environment"
)

func lookup(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

var access = []string{"--metrics-cert-file=c", "--metrics-key-file=k", "--metrics-client-ca-file=a", "--metrics-client-name=p"}

func TestParseOptions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args      []string
		variables map[string]string
		check     func(g *WithT, opts options)
		err       string
	}{
		"the defaults": {check: func(g *WithT, opts options) {
			g.Expect(opts).To(Equal(options{
				NodeName: "desk-7", Namespace: "5spot-system", Detector: detect.ModeAuto, ProcRoot: "/proc", MachineIDPath: "/etc/machine-id",
				HealthAddress: serve.Address{Host: "127.0.0.1", Port: 10581},
			}))
		}},
		"the variables of the original": {
			variables: map[string]string{
				"NODE_NAME": "desk-8", "RECLAIM_PROC_ROOT": "/host/proc", "MACHINE_ID_PATH": "/host/id", "SKIP_HOST_ID_CHECK": "true",
				"RECLAIM_DETECTOR": "poll", "POD_NAMESPACE": "5spot-agent", "POD_NAME": "agent-x",
			},
			check: func(g *WithT, opts options) {
				g.Expect(opts.NodeName).To(Equal("desk-8"))
				g.Expect(opts.ProcRoot).To(Equal("/host/proc"))
				g.Expect(opts.MachineIDPath).To(Equal("/host/id"))
				g.Expect(opts.SkipHostIDCheck).To(BeTrue())
				g.Expect(opts.Detector).To(Equal(detect.ModePoll))
				g.Expect(opts.Namespace).To(Equal("5spot-agent"))
				g.Expect(opts.PodName).To(Equal("agent-x"))
			},
		},
		"a flag wins over its variable": {
			args: []string{"--node-name=desk-9", "--skip-host-id-check=false"}, variables: map[string]string{"SKIP_HOST_ID_CHECK": "true"},
			check: func(g *WithT, opts options) {
				g.Expect(opts.NodeName).To(Equal("desk-9"))
				g.Expect(opts.SkipHostIDCheck).To(BeFalse())
			},
		},
		"an empty variable is not set": {
			variables: map[string]string{"RECLAIM_PROC_ROOT": "", "SKIP_HOST_ID_CHECK": "", "LOG_LEVEL": ""},
			check:     func(g *WithT, opts options) { g.Expect(opts.ProcRoot).To(Equal("/proc")) },
		},
		"metrics on a port alone stay on the host": {
			args:  []string{"--metrics-bind-address=:9105"},
			check: func(g *WithT, opts options) { g.Expect(opts.MetricsAddress.String()).To(Equal("127.0.0.1:9105")) },
		},
		"metrics for others with TLS and authorization": {
			args: append([]string{"--metrics-bind-address=0.0.0.0:9105"}, access...),
			check: func(g *WithT, opts options) {
				g.Expect(opts.MetricsAddress.Remote()).To(BeTrue())
				g.Expect(opts.MetricsAccess.ClientNames).To(Equal([]string{"p"}))
			},
		},
		"health may be off": {
			args:  []string{"--health-bind-address=0"},
			check: func(g *WithT, opts options) { g.Expect(opts.HealthAddress.Off()).To(BeTrue()) },
		},
		"the version needs nothing else": {
			args: []string{"--version"}, variables: map[string]string{"NODE_NAME": ""},
			check: func(g *WithT, opts options) { g.Expect(opts.Version).To(BeTrue()) },
		},

		"no Node":                             {variables: map[string]string{"NODE_NAME": ""}, err: "--node-name or the environment variable NODE_NAME is required"},
		"a Node's name that is none":          {args: []string{"--node-name=../secrets"}, err: "--node-name must be"},
		"a namespace that is none":            {args: []string{"--namespace=a/b"}, err: "--namespace must be"},
		"a detector that does not exist":      {args: []string{"--detector=ebpf"}, err: "--detector"},
		"a mode that cannot be asked for":     {args: []string{"--detector=idle"}, err: "--detector"},
		"a variable that is neither":          {variables: map[string]string{"SKIP_HOST_ID_CHECK": "perhaps"}, err: "SKIP_HOST_ID_CHECK must be true or false"},
		"a log level that is no number":       {variables: map[string]string{"LOG_LEVEL": "debug"}, err: "LOG_LEVEL must be a number"},
		"a log level beyond the highest":      {args: []string{"--log-level=6"}, err: "--log-level must be from 0 to 5"},
		"metrics for everybody":               {args: []string{"--metrics-bind-address=0.0.0.0:9105"}, err: "--metrics-bind-address must be on the loopback device"},
		"metrics for others with TLS alone":   {args: append([]string{"--metrics-bind-address=0.0.0.0:9105"}, access[:2]...), err: "are needed together"},
		"metrics for others without names":    {args: append([]string{"--metrics-bind-address=0.0.0.0:9105"}, access[:3]...), err: "are needed together"},
		"an address that is none":             {args: []string{"--metrics-bind-address=here"}, err: "--metrics-bind-address must be 0, a port, or host:port"},
		"health for others":                   {args: []string{"--health-bind-address=0.0.0.0:10581"}, err: "--health-bind-address must be on the loopback device"},
		"health for others, though TLS is on": {args: append([]string{"--health-bind-address=0.0.0.0:10581"}, access...), err: "--health-bind-address must be on the loopback device"},
		"an argument that is no flag":         {args: []string{"--skip-host-id-check", "false"}, err: `unexpected argument "false"`},
		"a flag that does not exist":          {args: []string{"--exec=sh"}, err: "unknown flag"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			variables := map[string]string{"NODE_NAME": "desk-7"}
			maps.Copy(variables, test.variables)
			opts, err := parseOptions(test.args, lookup(variables))
			if test.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			test.check(g, opts)
		})
	}
}

// TestEverySettingIsDocumented compares with docs/reference/reclaim-agent.md: every flag
// has a row with its variable and its default, and every variable is in a row.
func TestEverySettingIsDocumented(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	page, err := os.ReadFile("../docs/reference/reclaim-agent.md")
	g.Expect(err).NotTo(HaveOccurred())
	asked := map[string]bool{}
	listen := func(name string) (string, bool) {
		asked[name] = true
		return map[string]string{"NODE_NAME": "desk-7"}[name], name == "NODE_NAME"
	}
	_, err = parseOptions(nil, listen)
	g.Expect(err).NotTo(HaveOccurred())
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	addFlags(flags, environment.New(lookup(nil)), &options{}, &written{})

	row := regexp.MustCompile("(?m)^\\| (?:`--([a-z-]+)`)? ?\\| (?:`([A-Z_]+)`)? ?\\| (?:`([^`]*)`)? ?\\| [^|]+ \\|$")
	told, variables := map[string]bool{}, map[string]bool{}
	for _, cells := range row.FindAllStringSubmatch(string(page), -1) {
		name, variable, fallback := cells[1], cells[2], cells[3]
		if variable != "" {
			variables[variable] = true
		}
		if name == "" {
			continue
		}
		told[name] = true
		flag := flags.Lookup(name)
		g.Expect(flag).NotTo(BeNil(), "--%s does not exist", name)
		g.Expect(fallback).To(Equal(strings.TrimSuffix(flag.DefValue, "[]")), "the default of --%s", name)
		if variable != "" {
			g.Expect(flag.Usage).To(HaveSuffix("[" + variable + "]"))
		}
	}
	var exist []string
	flags.VisitAll(func(flag *pflag.Flag) { exist = append(exist, flag.Name) })
	g.Expect(slices.Collect(maps.Keys(told))).To(ConsistOf(exist))
	g.Expect(variables).To(Equal(asked))
}
