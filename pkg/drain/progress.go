package drain

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/cluster-api/core/reconcilers/machine/drain"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// maxBlockedBy is how many Pods are named, and maxEntry how many characters each
	// entry has.
	maxBlockedBy = 10
	maxEntry     = 512
)

const (
	// recheckAtOnce is after a step whose time was too short: others have a turn first.
	recheckAtOnce = 100 * time.Millisecond

	// recheckUnderWay is when a request should be answered that outlived its step.
	recheckUnderWay = 500 * time.Millisecond

	// recheckOutdated is when a newer version of the Node should have arrived.
	recheckOutdated = time.Second

	// recheckLeaving is how often to look whether Pods have left: no watch tells.
	recheckLeaving = 2 * time.Second

	// recheckCompletion is how often to look whether Pods have done their work, where
	// there is nothing else to do. It may take them hours.
	recheckCompletion = 10 * time.Second
)

// Evictions counts requests to take a Pod away, for metrics.
type Evictions struct {
	// Accepted Pods are on their way. Refused ones are held by a PodDisruptionBudget,
	// an admission webhook or the like. Failed are those that the API server could
	// not decide upon, or did not answer for.
	Accepted, Refused, Failed int
}

// with counts one more answer.
func (e Evictions) with(is answer) Evictions {
	switch is {
	case accepted:
		e.Accepted++
	case refused:
		e.Refused++
	case busy:
		e.Failed++
	case gone, unanswered, unreachable:
	}
	return e
}

// Progress is how far a drain is.
type Progress struct {
	// PodsTotal is the highest number of Pods that had to leave at any time in the
	// drain, PodsRemaining how many of them are still there.
	PodsTotal, PodsRemaining int32

	// BlockedBy names Pods that may not be evicted now, and what holds them: at most
	// 10 of at most 512 characters, sorted. Those that there was no time for and those
	// that are terminating are not among them.
	BlockedBy []string

	// Drained is whether every Pod that had to leave has left.
	Drained bool

	// RetryAfter is when the next step makes sense; zero once drained.
	RetryAfter time.Duration

	// Cordoned is whether this step has cordoned the Node.
	Cordoned bool

	// Evictions are the requests that were answered in this step, or since the one
	// before, also those of other Nodes.
	Evictions Evictions
}

// counted adds the numbers of a step that found so many Pods, of which so many remain.
func (p Progress) counted(previous Progress, found, remaining int) Progress {
	p.PodsTotal = max(previous.PodsTotal, count(found))
	p.PodsRemaining = count(remaining)
	p.Drained = remaining == 0
	return p
}

func count(pods int) int32 {
	return int32(min(pods, math.MaxInt32)) //nolint:gosec // It is bounded.
}

// recheckFor is how often to look whether Pods have left.
func recheckFor(result drain.EvictionResult) time.Duration {
	if len(result.PodsDeletionTimestampSet)+len(result.PodsFailedEviction) == 0 {
		return recheckCompletion
	}
	return recheckLeaving
}

// waitedFor are the Pods that are not evicted, because they are to end by themselves.
func waitedFor(result drain.EvictionResult) []string {
	entries := make([]string, 0, len(result.PodsToWaitCompletedNow))
	for _, pod := range result.PodsToWaitCompletedNow {
		entries = append(entries, entry(pod, "it is not evicted, but waited for until it completes"))
	}
	return entries
}

// blockedBy chooses what is shown: what somebody can do something about comes first.
func blockedBy(refusals, waits []string) []string {
	slices.Sort(refusals)
	slices.Sort(waits)
	shown := slices.Concat(refusals, waits)
	shown = shown[:min(len(shown), maxBlockedBy)]
	slices.Sort(shown)
	return shown
}

// entry names a Pod and what holds it, on one line.
func entry(pod *corev1.Pod, why string) string {
	text := "Pod " + client.ObjectKeyFromObject(pod).String() + ": " + escaped(why)
	if runes := []rune(text); len(runes) > maxEntry {
		return string(runes[:maxEntry-1]) + "…"
	}
	return text
}

// escaped makes the control characters of a foreign text visible.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "�") {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
