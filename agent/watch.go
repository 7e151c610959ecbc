package main

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/finos/five-spot/agent/annotate"
	"github.com/finos/five-spot/agent/apiclient"
	"github.com/finos/five-spot/agent/cycle"
	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/event"
	"github.com/finos/five-spot/agent/hostid"
	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/agent/metrics"
	"github.com/finos/five-spot/agent/report"
	"github.com/finos/five-spot/agent/serve"
	"github.com/finos/five-spot/agent/watchconfig"
	"github.com/finos/five-spot/pkg/reclaim"
)

// watch ties the parts together and runs them until ctx ends or one of them fails:
// the ConfigMap arms the detector, the detector has the Node annotated.
func watch(ctx context.Context, opts options, api *apiclient.Client, log logr.Logger) error {
	clk := clock.RealClock{}
	figures := metrics.New(version)
	events := event.New(clk, api, opts.NodeName, opts.PodName, log)
	configMap := reclaim.ConfigMapName(opts.NodeName)
	reporter := report.New(log, figures, events, opts.Namespace+"/"+configMap)
	detector := detect.New(detect.Options{
		Mode: opts.Detector, ProcRoot: opts.ProcRoot, Clock: clk, Log: log, Observer: reporter,
	})
	sight := func() error { return inSight(opts.ProcRoot, reporter) }
	watcher := watchconfig.New(api.WatchConfigMap(opts.Namespace, configMap), reporter)
	ready := func() error { return cmp.Or(watcher.Known(), sight()) }
	endpoints, err := listen(ctx, opts, figures, detector.Healthy, ready)
	if err != nil {
		return err
	}
	annotator := annotate.New(api, opts.NodeName, hostid.New(opts.MachineIDPath, opts.SkipHostIDCheck).Check)
	rounds := cycle.New(armed{detector, sight}, annotator, reporter)

	parts := []func(context.Context) error{
		detector.Run,
		endless(events.Run),
		endless(watcher.Run),
		endless(func(ctx context.Context) { rounds.Run(ctx, watcher.Configs()) }),
	}
	for _, endpoint := range endpoints {
		parts = append(parts, endpoint.Run)
	}
	return together(ctx, parts)
}

// armed has the detector look for what a Config says.
type armed struct {
	*detect.Detector
	sight func() error
}

// Arm implements cycle.Detector.
func (a armed) Arm(config reclaim.Config) {
	if config.Empty() {
		a.Detector.Arm(nil, 0)
		return
	}
	_ = a.sight() // It has been reported.
	a.Detector.Arm(match.New(config), config.PollInterval)
}

// errHidden is that there is nothing in sight to find.
var errHidden = errors.New("processes of other users are hidden")

// inSight is whether processes of other users can be seen at all, and reports it.
func inSight(procRoot string, reporter *report.Reporter) error {
	why, err := detect.Hidden(procRoot)
	if err != nil {
		why = err.Error()
	}
	reporter.Hidden(why)
	if why != "" {
		return errHidden
	}
	return nil
}

// listen binds the endpoints that are turned on, so that a port that is taken is seen at
// the start.
func listen(ctx context.Context, opts options, figures *metrics.Metrics, healthy, ready func() error) ([]*serve.Endpoint, error) {
	var endpoints []*serve.Endpoint
	if !opts.HealthAddress.Off() {
		endpoint, err := serve.Health(ctx, opts.HealthAddress, healthy, ready)
		if err != nil {
			return nil, err
		}
		endpoints = append(endpoints, endpoint)
	}
	if !opts.MetricsAddress.Off() {
		endpoint, err := serve.Metrics(ctx, opts.MetricsAddress, opts.MetricsAccess, figures.Handler())
		if err != nil {
			return nil, err
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints, nil
}

// endless is a part that ends only with its context.
func endless(run func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		run(ctx)
		return nil
	}
}

// together runs the parts until all have ended; the first that fails ends the others.
func together(ctx context.Context, parts []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(parts))
	var running sync.WaitGroup
	for i, part := range parts {
		running.Go(func() {
			if errs[i] = part(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
