// Package report tells people what the agent does: in its log, its metrics and Events on
// its Node. Of a process it tells the id and the pattern that matched, and never the
// command line, which may hold what nobody else should read.
package report

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/finos/five-spot/agent/annotate"
	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/metrics"
	"github.com/finos/five-spot/pkg/reclaim"
)

// Reasons of the Events on the Node.
const (
	// DetectorFallback is that /proc is read because the kernel does not tell, and
	// DetectorUnavailable that it does not and nothing else may be done.
	DetectorFallback    = "DetectorFallback"
	DetectorUnavailable = "DetectorUnavailable"

	// ProcessesHidden is that the processes of other users cannot be seen.
	ProcessesHidden = "ProcessesHidden"

	// ReclaimConfigInvalid and ReclaimConfigValid are about the ConfigMap.
	ReclaimConfigInvalid = "ReclaimConfigInvalid"
	ReclaimConfigValid   = "ReclaimConfigValid"

	// ReclaimRequested is that the Node asks for its reclaim now.
	ReclaimRequested = "ReclaimRequested"

	// ReclaimWrongHost is that it does not, since it may be another machine.
	ReclaimWrongHost = "ReclaimWrongHost"

	// ReclaimRefused is that the API server does not let the agent ask.
	ReclaimRefused = "ReclaimRefused"
)

// Events emits Events on the Node. It does not wait.
type Events interface {
	Normal(reason, action, note string)
	Warning(reason, action, note string)
}

// Reporter hears from every part of the agent. It is safe for concurrent use.
type Reporter struct {
	log       logr.Logger
	metrics   *metrics.Metrics
	events    Events
	configMap string

	mu       sync.Mutex
	rejected bool   // whether the present text of the ConfigMap is malformed
	told     string // the Event about the present request that failed
	fallback string // why the kernel's events are of no use
	hidden   string // why processes of other users cannot be seen
}

// New returns a Reporter; configMap is the ConfigMap as people would name it.
func New(log logr.Logger, m *metrics.Metrics, events Events, configMap string) *Reporter {
	return &Reporter{log: log, metrics: m, events: events, configMap: configMap}
}

// ConfigLoaded implements watchconfig.Observer.
func (r *Reporter) ConfigLoaded(config reclaim.Config) {
	r.metrics.Config(metrics.ConfigLoaded)
	r.metrics.Patterns(config)
	if config.Empty() {
		r.log.Info("Nothing to look for", "ConfigMap", r.configMap)
	} else {
		r.log.Info("Looking for processes", "ConfigMap", r.configMap, "commands", config.Commands,
			"argvSubstrings", config.ArgvSubstrings, "pollInterval", config.PollInterval.String(), "matchPods", config.MatchPods)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rejected {
		r.events.Normal(ReclaimConfigValid, "Configure", fmt.Sprintf("ConfigMap %s can be read again", r.configMap))
	}
	r.rejected = false
}

// ConfigRejected implements watchconfig.Observer.
func (r *Reporter) ConfigRejected(err error) {
	r.metrics.Config(metrics.ConfigRejected)
	r.log.Error(err, "Keeping the last configuration that could be read", "ConfigMap", r.configMap)
	r.events.Warning(ReclaimConfigInvalid, "Configure",
		fmt.Sprintf("ConfigMap %s: %v. The last configuration that could be read stays in force", r.configMap, err))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejected = true
}

// RequestFailed implements cycle.Observer.
func (r *Reporter) RequestFailed(found detect.Found, attempt int, err error) {
	r.log.Error(err, "Failed to ask for the reclaim, trying again", "pid", found.PID, "pattern", found.Pattern, "attempt", attempt)
	switch {
	case errors.Is(err, annotate.ErrWrongHost):
		r.metrics.Request(metrics.RequestWrongHost)
		r.warnOnce(ReclaimWrongHost, found, err)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		r.metrics.Request(metrics.RequestFailed)
		r.warnOnce(ReclaimRefused, found, err)
	default:
		r.metrics.Request(metrics.RequestFailed)
	}
}

// warnOnce emits one Event for as long as the same keeps one request from its Node.
func (r *Reporter) warnOnce(reason string, found detect.Found, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told != reason {
		r.told = reason
		r.events.Warning(reason, "RequestReclaim", fmt.Sprintf("A process matches %q, but: %v", found.Pattern, err))
	}
}

// Requested implements cycle.Observer.
func (r *Reporter) Requested(found detect.Found, result annotate.Result) {
	r.log.Info("The Node asks for its reclaim", "pid", found.PID, "pattern", found.Pattern, "result", result)
	switch result {
	case annotate.Written:
		r.metrics.Request(metrics.RequestWritten)
		r.events.Normal(ReclaimRequested, "RequestReclaim", fmt.Sprintf("A process matches %q", found.Pattern))
	case annotate.AlreadyRequested:
		r.metrics.Request(metrics.RequestStands)
	}
	r.closeRequest()
}

// Dropped implements cycle.Observer.
func (r *Reporter) Dropped(found detect.Found) {
	r.log.Info("Not asking for the reclaim any more: nobody looks for the pattern", "pid", found.PID, "pattern", found.Pattern)
	r.closeRequest()
}

func (r *Reporter) closeRequest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = ""
}

// LookFailed implements cycle.Observer.
func (r *Reporter) LookFailed(err error) {
	r.log.V(2).Info("Failed to look whether the Node still asks for its reclaim, trying again", "reason", err.Error())
}

// Released implements cycle.Observer.
func (r *Reporter) Released(found detect.Found) {
	r.metrics.Released()
	r.log.Info("The request is gone from the Node, looking for processes again", "pattern", found.Pattern)
}

// Using implements detect.Observer. The detector itself logs it.
func (r *Reporter) Using(mode detect.Mode, reason string) {
	r.metrics.Detector(string(mode))
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case reason == "" && mode == detect.ModeIdle, reason == r.fallback:
	case reason == "":
		r.fallback = ""
	default:
		r.fallback = reason
		r.fellBack(mode, reason)
	}
}

func (r *Reporter) fellBack(mode detect.Mode, reason string) {
	r.metrics.Fallback()
	event, consequence := DetectorFallback, "it reads all of them again and again"
	if mode == detect.ModeIdle {
		event, consequence = DetectorUnavailable, "it finds none"
	}
	r.events.Warning(event, "Detect", fmt.Sprintf("The kernel does not tell the reclaim agent of new processes, so %s: %s", consequence, reason))
}

// Hidden is told why the processes of other users cannot be seen, as often as somebody
// looks; empty where they can.
func (r *Reporter) Hidden(why string) {
	r.metrics.Hidden(why != "")
	r.mu.Lock()
	defer r.mu.Unlock()
	switch why {
	case r.hidden:
		return
	case "":
		r.log.Info("The processes of other users can be seen again")
	default:
		r.log.Info("The processes of other users cannot be seen, so that none of them is found", "reason", why)
		r.events.Warning(ProcessesHidden, "Detect", fmt.Sprintf("The reclaim agent cannot see the processes of other users and finds none of them: %s", why))
	}
	r.hidden = why
}

// Received implements detect.Observer.
func (r *Reporter) Received(events int) { r.metrics.Events(events) }

// Lost implements detect.Observer. The detector itself logs it.
func (r *Reporter) Lost(times int) { r.metrics.Lost(times) }

// Scanned implements detect.Observer.
func (r *Reporter) Scanned(cause detect.Cause, processes int, took time.Duration) {
	r.metrics.Scan(string(cause))
	r.log.V(4).Info("Looked at all processes", "cause", cause, "processes", processes, "took", took.String())
}

// Matched implements detect.Observer.
func (r *Reporter) Matched(found detect.Found, latency time.Duration) {
	r.metrics.Match(latency)
	r.log.Info("Found a process", "pid", found.PID, "pattern", found.Pattern, "latency", latency.String())
}
