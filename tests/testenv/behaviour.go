package testenv

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Behaviour is how the simulated provider treats one machine. The zero value is
// a machine that joins and leaves as fast as it can.
type Behaviour struct {
	// HoldBootstrap keeps the bootstrap data from being ready.
	HoldBootstrap bool

	// HoldProvisioning keeps the infrastructure from being ready.
	HoldProvisioning bool

	// ProvisioningFailure, when not empty, makes provisioning fail with this message.
	ProvisioningFailure string

	// ProvisioningDelay is how long provisioning takes, from the creation of the
	// RemoteMachine, which the API server keeps to the second.
	ProvisioningDelay time.Duration

	// NeverJoin keeps the kubelet of a provisioned machine from appearing.
	NeverJoin bool

	// JoinNotReady lets the Node join, but not become Ready.
	JoinNotReady bool

	// KeepMarks is a kubelet that returns with its old Node: when the machine joins
	// again, its Node has the labels, annotations, taints and cordon of its former
	// life.
	KeepMarks bool

	// HoldRemoval keeps the finalizer on a RemoteMachine that is being deleted.
	HoldRemoval bool

	// RemovalDelay is how long the removal takes, from the deletion of the
	// RemoteMachine.
	RemovalDelay time.Duration

	// KeepNode leaves the Node in the workload cluster when the machine goes. Cluster
	// API deletes it too, unless it cannot reach the cluster.
	KeepNode bool
}

// behaviours are what tests asked for. What holds for a name holds also for the
// next object of that name.
type behaviours struct {
	mu       sync.Mutex
	standard Behaviour
	machines map[types.NamespacedName]Behaviour
	clusters map[types.NamespacedName]bool // held
}

func newBehaviours(standard Behaviour) *behaviours {
	return &behaviours{
		standard: standard,
		machines: map[types.NamespacedName]Behaviour{},
		clusters: map[types.NamespacedName]bool{},
	}
}

func (b *behaviours) of(machine types.NamespacedName) Behaviour {
	b.mu.Lock()
	defer b.mu.Unlock()
	if special, ok := b.machines[machine]; ok {
		return special
	}
	return b.standard
}

func (b *behaviours) set(machine types.NamespacedName, behaviour Behaviour) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.machines[machine] = behaviour
}

func (b *behaviours) held(cluster types.NamespacedName) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clusters[cluster]
}

func (b *behaviours) hold(cluster types.NamespacedName, held bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clusters[cluster] = held
}
