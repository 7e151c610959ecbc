//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/agent/detect"
)

func TestMain(m *testing.M) {
	if os.Getenv(role) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestTheBenchmarkRuns(t *testing.T) {
	g := NewWithT(t)
	o := options{
		// The kernel may not tell of processes where this runs.
		mode: detect.ModePoll, poll: 50 * time.Millisecond, idle: 300 * time.Millisecond, storm: time.Second, rate: 60,
		lifetime: 200 * time.Millisecond, targets: 5, processes: 1, scanned: 1, beside: time.Second, polled: 3, requests: 2, busy: 1,
		limits: limits{request: 50, millicpu: 500, memory: 64},
	}
	ofNames := o
	ofNames.names, ofNames.requests, ofNames.polled, ofNames.rate = true, 0, 0, 600
	rows := []string{
		"limits\t", "looking at ", "pgrep -f\t", "idle, ", "idle, start to match\tp50 ", " of 200\n", "storm, start to match\tp50 ", " of 5\n", "storm\t",
		"poll every 50ms, start to match\tp50 ", " of 3\n", "poll, ", "forkstat",
	}
	if _, err := exec.LookPath("forkstat"); err == nil {
		rows = append(rows, "beside forkstat\t", "the detector, start to message\tp50 ")
	}
	if testing.Short() { // A control plane is started.
		o.requests = 0
	} else {
		rows = append(rows, "the agent, idle, ", "idle, start to request\tp50 ", " of 2\n", "the agent, after 2 requests\t", "storm, start to request\tp50 ", "the agent, storm\t")
	}
	var out bytes.Buffer
	g.Expect(measure(t.Context(), &out, o)).To(Succeed())
	t.Log(out.String())
	for _, row := range rows {
		g.Expect(out.String()).To(ContainSubstring(row))
	}

	out.Reset()
	g.Expect(measure(t.Context(), &out, ofNames)).To(Succeed())
	g.Expect(out.String()).To(MatchRegexp(`storm\t[1-9]\d+ names/s for 1s`))
}
