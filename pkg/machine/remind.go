package machine

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Remind makes Cluster API look at live, the Machine of sm, which it does after every
// change: it writes the time into an annotation. It reports whether it has written
// anything; a Machine that is gone is none of it. A Machine that is not ours is an error.
func (o *Objects) Remind(ctx context.Context, sm *v1alpha1.ScheduledMachine, live *clusterv1.Machine, now time.Time) (bool, error) {
	if live.UID == "" || !Ours(sm, live) {
		return false, fmt.Errorf("failed to annotate Machine %s: %w", client.ObjectKeyFromObject(live), errNotOurs)
	}
	written, err := o.annotate(ctx, live, map[string]string{v1alpha1.RemindedAtAnnotation: now.UTC().Format(time.RFC3339Nano)})
	return written.Changed, err
}

// stillPaused is whether Cluster API's last word is that the Machine is paused, for
// another reason than the Machine's own annotation.
func stillPaused(live *clusterv1.Machine) bool {
	paused := meta.FindStatusCondition(live.Status.Conditions, clusterv1.PausedCondition)
	return paused != nil && paused.Status == metav1.ConditionTrue && !annotations.HasPaused(live)
}

func remindedAt(live *clusterv1.Machine) time.Time {
	at, err := time.Parse(time.RFC3339Nano, live.Annotations[v1alpha1.RemindedAtAnnotation])
	if err != nil {
		return time.Time{}
	}
	return at
}
