package scheduledmachine

import (
	"time"

	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/drain"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/pkg/metrics"
	"github.com/finos/five-spot/pkg/sharding"
)

// Options are what a Reconciler needs.
type Options struct {
	Clock    clock.WithTicker
	Client   client.Client // reads from the manager's cache
	Live     client.Reader // reads from the API server
	Machines *machine.Objects
	CAPI     CAPI
	Recorder events.EventRecorder
	Metrics  *metrics.Metrics
	Drainer  *drain.Drainer

	// Agents arms the reclaim agent, and Installation tells where it is. Without an image
	// of it none is armed.
	Agents       Agents
	Installation Installation
	NoAgentImage bool

	// Version is that of this manager.
	Version string

	// Shard is which objects belong to this instance.
	Shard sharding.Shard

	Settings   lifecycle.Settings
	Validation machine.ValidateOptions

	// MaxOverride is how long before its end an override may count; 0 for any time.
	MaxOverride time.Duration
}

// CAPI tells whether Cluster API is there.
type CAPI interface {
	// Known is whether it was looked for Cluster API at all. Nothing is decided before
	// that: a start would show every running machine as waiting for Cluster API.
	Known() bool

	// Ready is whether the API server serves Cluster API v1beta2 and it is watched.
	Ready() bool

	// MachinesImpossible is whether no Machine can exist, of any version.
	MachinesImpossible() bool
}
