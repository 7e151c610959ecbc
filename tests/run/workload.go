package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

// neighbour is a Node that is always there. The workload moves to it when its machine
// leaves.
const neighbour = "neighbour"

func readWorkload(root string) (*appsv1.Deployment, error) {
	workload := &appsv1.Deployment{}
	if err := readManifest(filepath.Join(root, workloadSample, "deployment.yaml"), workload); err != nil {
		return nil, err
	}
	if workload.Spec.Replicas == nil {
		return nil, errors.New("failed to read the workload: it does not say how many replicas it has")
	}
	return workload, nil
}

// addNeighbour adds a Node that the workload may use.
func addNeighbour(ctx context.Context, world *testenv.World, workload *appsv1.Deployment) error {
	node, err := world.Provider.AddSpareNode(ctx, neighbour)
	if err != nil {
		return err
	}
	before := node.DeepCopy()
	maps.Copy(node.Labels, workload.Spec.Template.Spec.NodeSelector)
	if err := world.WorkloadClient.Patch(ctx, node, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("failed to label Node %s: %w", neighbour, err)
	}
	return nil
}

// settled is whether no Pod has to move to the machine's Node.
func (s snapshot) settled() bool {
	return s.neighbours == 0 || !s.nodeReady || s.cordoned || s.closed || s.taints == ""
}

// gather does what a descheduler does: it takes the Pods off the neighbour, so that
// they are scheduled anew. The scheduler prefers the machine's Node.
func gather(ctx context.Context, world *testenv.World, workload *appsv1.Deployment) error {
	err := world.WorkloadClient.DeleteAllOf(ctx, &corev1.Pod{},
		client.InNamespace(workload.Namespace), client.MatchingFields{"spec.nodeName": neighbour})
	if err != nil {
		return fmt.Errorf("failed to take the Pods off Node %s: %w", neighbour, err)
	}
	return nil
}
