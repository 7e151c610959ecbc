//go:build linux

package detect

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
)

var benched = reclaim.Config{Commands: []string{"five-bench"}, ArgvSubstrings: []string{"five-bench -jar"}}

// BenchmarkScan is one look at all processes of this machine.
func BenchmarkScan(b *testing.B) {
	all, err := openProcesses(DefaultProcRoot)
	if err != nil {
		b.Fatal(err)
	}
	defer all.close()
	look := newLook(all, match.New(benched))
	processes := 0
	b.ReportAllocs()
	for b.Loop() {
		n, err := look.all(func(int, string) {}, func() {})
		if err != nil {
			b.Fatal(err)
		}
		processes += n
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(processes), "ns/process")
}

// BenchmarkLook is what one event of the kernel costs.
func BenchmarkLook(b *testing.B) {
	all, err := openProcesses(DefaultProcRoot)
	if err != nil {
		b.Fatal(err)
	}
	defer all.close()
	look := newLook(all, match.New(benched))
	b.ReportAllocs()
	for b.Loop() {
		look.at(os.Getppid())
	}
}

// BenchmarkStartToMatch is from the kernel's start of a program to its match.
func BenchmarkStartToMatch(b *testing.B) {
	needsEvents(b)
	d, seen := local(b, ModeNetlink)
	run(b, d)
	path := program(b, "five-bench")
	d.Arm(match.New(benched), 0)
	seen.awaitScan(b, CauseArmed, 1)
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), path)
		cmd.Env = []string{act + "=wait"}
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		next(b, d)
	}
	var all time.Duration
	latencies := seen.now().Latencies
	for _, latency := range latencies {
		all += latency
	}
	b.ReportMetric(float64(all.Nanoseconds())/float64(len(latencies)), "ns/match")
}
