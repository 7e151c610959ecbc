package uninstall

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// errManagerActs is that a manager would install again what is removed.
var errManagerActs = errors.New("a manager is running: it would install again what is removed here. Stop it first")

// refuseWhileAManagerActs looks for a Lease that is held. A manager that was stopped has
// given it back; that of one which was killed ends by itself.
func (r *run) refuseWhileAManagerActs(ctx context.Context) error {
	lease, err := r.leaseThatIsHeld(ctx, r.Client)
	if err != nil {
		return fmt.Errorf("failed to find out whether a manager runs: %w", err)
	}
	if lease != "" {
		return fmt.Errorf("%w; %s", errManagerActs, lease)
	}
	return nil
}

// leaseThatIsHeld says which manager holds which Lease in the cluster of the client. One
// that seems to have ended may only do so by our clock, so whether it is renewed is awaited.
func (r *run) leaseThatIsHeld(ctx context.Context, c client.Reader) (string, error) {
	seen, lasts := map[types.UID]*metav1.MicroTime{}, time.Duration(0)
	for {
		leases := &coordinationv1.LeaseList{}
		if err := c.List(ctx, leases); err != nil {
			return "", fmt.Errorf("failed to list Leases: %w", err)
		}
		awaited := lasts > 0
		for i := range leases.Items {
			lease := &leases.Items[i]
			if !r.isOfAManager(lease.Name) || ptr.Deref(lease.Spec.HolderIdentity, "") == "" || lease.Spec.RenewTime == nil {
				continue
			}
			if r.held(&lease.Spec) || awaited && !lease.Spec.RenewTime.Equal(seen[lease.UID]) {
				return fmt.Sprintf("%s holds the Lease %s", *lease.Spec.HolderIdentity, client.ObjectKeyFromObject(lease)), nil
			}
			seen[lease.UID] = lease.Spec.RenewTime
			lasts = max(lasts, lastsFor(&lease.Spec))
		}
		if awaited || lasts == 0 {
			return "", nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("stopped: %w", ctx.Err())
		case <-r.Clock.After(lasts):
		}
	}
}

// isOfAManager is whether a Lease has the name that a manager gives it: several instances
// put their number behind it.
func (r *run) isOfAManager(name string) bool {
	instance, ok := strings.CutPrefix(name, r.LeaseName)
	return ok && (instance == "" || strings.HasPrefix(instance, "-") && strings.Trim(instance[1:], "0123456789") == "")
}

func (r *run) held(spec *coordinationv1.LeaseSpec) bool {
	return r.Clock.Now().Before(spec.RenewTime.Add(lastsFor(spec)))
}

func lastsFor(spec *coordinationv1.LeaseSpec) time.Duration {
	return time.Duration(ptr.Deref(spec.LeaseDurationSeconds, 0)) * time.Second
}
