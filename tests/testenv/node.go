package testenv

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// runningKubelets play the kubelets of Nodes that belong to a control plane and to no
// machine, until they are stopped.
type runningKubelets struct {
	*kubelets

	stopRenewing func()
}

func (r *runningKubelets) stop() {
	if r != nil {
		r.stopRenewing()
	}
}

// AddNode adds a Node that is Ready and stays so, and belongs to no machine. With
// ControlPlaneOptions.Kubelets pods run on it.
func (cp *ControlPlane) AddNode(ctx context.Context, name string) error {
	if cp.nodes == nil {
		c, err := client.New(cp.Config, client.Options{})
		if err != nil {
			return fmt.Errorf("failed to create a client for Nodes: %w", err)
		}
		cp.nodes = keepAlive(ctx, newKubelets(clock.RealClock{}, c, true))
	}
	_, err := cp.nodes.addSpare(ctx, name)
	return err
}

// keepAlive renews the leases of all Nodes, also when ctx has ended.
func keepAlive(ctx context.Context, all *kubelets) *runningKubelets {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() { _ = all.Start(ctx) })
	return &runningKubelets{kubelets: all, stopRenewing: func() {
		cancel()
		renewing.Wait()
	}}
}
