//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/tests/benchmark/agent/told"
)

// measureScan compares a look at all processes with pgrep, in turns.
func measureScan(ctx context.Context, out io.Writer, processes int) error {
	stop, err := sleepers(ctx, processes-len(pids()))
	if err != nil {
		return err
	}
	defer stop()
	matcher := match.New(reclaim.Config{Commands: []string{told.Wanted}, ArgvSubstrings: []string{told.Wanted + " -jar"}})
	pgrep, missing := exec.LookPath("pgrep")
	const rounds = 31
	var ours, theirs []time.Duration
	for range rounds {
		begin := time.Now()
		if _, err := detect.Scan(detect.DefaultProcRoot, matcher, begin); err != nil {
			return err
		}
		ours = append(ours, time.Since(begin))
		if missing != nil {
			continue
		}
		begin = time.Now()
		var none *exec.ExitError
		if err := exec.CommandContext(ctx, pgrep, "-f", told.Wanted+" -jar").Run(); err != nil && !errors.As(err, &none) {
			return err
		}
		theirs = append(theirs, time.Since(begin))
	}
	fmt.Fprintf(out, "looking at %d processes\tp50 %s, p90 %s\n", len(pids()), percentile(ours, 50), percentile(ours, 90))
	if missing != nil {
		fmt.Fprintf(out, "pgrep -f\tnot here: %v\n", missing)
		return nil
	}
	fmt.Fprintf(out, "pgrep -f\tp50 %s, p90 %s, %.1f times as long\n", percentile(theirs, 50), percentile(theirs, 90),
		float64(percentile(theirs, 50))/float64(percentile(ours, 50)))
	return nil
}
