package main

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/finos/five-spot/agent/annotate"
	"github.com/finos/five-spot/agent/apiclient"
	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/hostid"
	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/agent/watchconfig"
	"github.com/finos/five-spot/pkg/reclaim"
)

// once looks at all processes one time, and makes one attempt to annotate the Node if
// one matches.
func once(ctx context.Context, opts options, api *apiclient.Client, log logr.Logger) (int, error) {
	config, err := watchconfig.Read(ctx, api, opts.Namespace, opts.NodeName)
	if err != nil {
		return exitError, err
	}
	if config.Empty() {
		log.Info("Nothing to look for")
		return exitUnmatched, nil
	}
	matching, err := detect.Scan(opts.ProcRoot, match.New(config), clock.RealClock{}.Now())
	if err != nil {
		return exitError, fmt.Errorf("failed to look at all processes: %w", err)
	}
	if len(matching) == 0 {
		log.Info("Nothing matches")
		return exitUnmatched, nil
	}
	found := matching[0]
	annotator := annotate.New(api, opts.NodeName, hostid.New(opts.MachineIDPath, opts.SkipHostIDCheck).Check)
	result, err := annotator.Request(ctx, reclaim.Matched(found.Pattern, found.At))
	if err != nil {
		return exitError, err
	}
	log.Info("The Node asks for its reclaim", "pid", found.PID, "pattern", found.Pattern, "result", result)
	return exitOK, nil
}
