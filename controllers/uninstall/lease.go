package uninstall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
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
	first, err := r.leases(ctx, c)
	if err != nil || len(first) == 0 {
		return "", err
	}
	lasts := time.Duration(0)
	for i := range first {
		if r.held(&first[i].Spec) {
			return told(&first[i]), nil
		}
		lasts = max(lasts, lastsFor(&first[i].Spec))
	}
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("stopped: %w", ctx.Err())
	case <-r.Clock.After(lasts):
	}
	now, err := r.leases(ctx, c)
	for i := range now {
		unchanged := func(before coordinationv1.Lease) bool {
			return before.UID == now[i].UID && before.Spec.RenewTime.Equal(now[i].Spec.RenewTime)
		}
		if !slices.ContainsFunc(first, unchanged) {
			return told(&now[i]), nil
		}
	}
	return "", err
}

// leases are those of managers that have a holder.
func (r *run) leases(ctx context.Context, c client.Reader) ([]coordinationv1.Lease, error) {
	leases := &coordinationv1.LeaseList{}
	if err := c.List(ctx, leases); err != nil {
		return nil, fmt.Errorf("failed to list Leases: %w", err)
	}
	return slices.DeleteFunc(leases.Items, func(lease coordinationv1.Lease) bool {
		return !r.isOfAManager(lease.Name) || ptr.Deref(lease.Spec.HolderIdentity, "") == "" || lease.Spec.RenewTime == nil
	}), nil
}

func told(lease *coordinationv1.Lease) string {
	return fmt.Sprintf("%s holds the Lease %s", *lease.Spec.HolderIdentity, client.ObjectKeyFromObject(lease))
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
