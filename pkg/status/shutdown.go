package status

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// maxRecentReclaims bounds status.recentReclaims.
const maxRecentReclaims = 10

// describeShutdown writes the clocks that the decision wants persisted, and how
// far the drain has come.
func describeShutdown(in Input, next *v1alpha1.ScheduledMachineStatus) {
	next.Shutdown = shutdownClocks(in)
	next.Drain = drainProgress(in)
	next.RecentReclaims = reclaimTimes(in.Decision.RecentReclaims)
}

func shutdownClocks(in Input) *v1alpha1.ShutdownStatus {
	clocks := in.Decision.Shutdown.DeepCopy()
	if clocks == nil {
		return nil
	}
	clocks.StartedAt = seconds(clocks.StartedAt.Time)
	if clocks.DrainStartedAt != nil {
		clocks.DrainStartedAt = moment(clocks.DrainStartedAt.Time)
	}
	clocks.Drained = in.drained()
	return clocks
}

// drained is whether the drain of the present shutdown is complete.
func (in Input) drained() bool {
	if in.Decision.Shutdown == nil {
		return false
	}
	step := in.outcome(lifecycle.ActionDrainNode)
	return in.Decision.Shutdown.Drained || (step != nil && step.Drained)
}

// drainProgress keeps the last progress for as long as the shutdown lasts.
func drainProgress(in Input) *v1alpha1.DrainStatus {
	if in.Decision.Shutdown == nil {
		return nil
	}
	step := in.outcome(lifecycle.ActionDrainNode)
	if step == nil || step.Drain == nil {
		return in.Old.Drain
	}
	progress := step.Drain.DeepCopy()
	for i := range progress.BlockedBy {
		progress.BlockedBy[i] = escaped(progress.BlockedBy[i], maxBlockedText)
	}
	slices.Sort(progress.BlockedBy)
	progress.BlockedBy = progress.BlockedBy[:min(maxBlocked, len(progress.BlockedBy))]
	return progress
}

// reclaimTimes are the last reclaims, oldest first.
func reclaimTimes(reclaims []time.Time) []metav1.Time {
	var times []metav1.Time
	for _, at := range reclaims[max(0, len(reclaims)-maxRecentReclaims):] {
		times = append(times, seconds(at))
	}
	return times
}
