//go:build linux

package main

import (
	"bytes"
	"os"
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
	var out bytes.Buffer
	g.Expect(measure(t.Context(), &out, options{
		mode: detect.ModePoll, poll: 50 * time.Millisecond, idle: 300 * time.Millisecond, storm: time.Second, rate: 60,
		lifetime: 200 * time.Millisecond, targets: 5, processes: 1, scanned: 1, millicpu: 500, memory: 64,
	})).To(Succeed())
	t.Log(out.String())
	for _, row := range []string{"limits\t", "looking at ", "pgrep -f\t", "idle, ", "storm, start to match\tp50 ", "storm\t"} {
		g.Expect(out.String()).To(ContainSubstring(row))
	}
	g.Expect(out.String()).To(ContainSubstring(" of 200\n"))
	g.Expect(out.String()).To(ContainSubstring(" of 5\n"))
}
