package sharding

import (
	"fmt"
	"hash/fnv"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// MaxInstances is the largest number of instances that can share the work.
const MaxInstances = 1024

// Owner returns the instance, from 0 to instanceCount-1, that looks after the
// object with the given UID; 0 when there is only one instance. It is rendezvous
// hashing: of n instances to which one is added, only every (n+1)th object moves,
// and all of these to the new one. The result is part of the contract between
// instances and never changes from one version to the next.
func Owner(uid types.UID, instanceCount int) int {
	object := hash(uid)
	owner, best := 0, uint64(0)
	for instance := range instanceCount {
		if weight := mix(object ^ mix(uint64(instance)+1)); weight > best {
			owner, best = instance, weight
		}
	}
	return owner
}

func hash(uid types.UID) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(uid)) // A hash never fails to take bytes.
	return sum.Sum64()
}

// mix spreads every bit of its input over all bits of its output, which FNV does
// not: the finalizer of SplitMix64.
func mix(value uint64) uint64 {
	value += 0x9e3779b97f4a7c15
	value = (value ^ value>>30) * 0xbf58476d1ce4e5b9
	value = (value ^ value>>27) * 0x94d049bb133111eb
	return value ^ value>>31
}

// Shard is one instance's part of the objects. Its zero value is not valid.
type Shard struct {
	instanceID, instanceCount int
}

// New returns the part of the instance with the given number, counted from 0. It
// fails when there is no such instance.
func New(instanceID, instanceCount int) (Shard, error) {
	if instanceCount < 1 || instanceCount > MaxInstances {
		return Shard{}, fmt.Errorf("the number of instances must be from 1 to %d, not %d", MaxInstances, instanceCount)
	}
	if instanceID < 0 || instanceID >= instanceCount {
		return Shard{}, fmt.Errorf("the instance number must be from 0 to %d for %d instances, not %d", instanceCount-1, instanceCount, instanceID)
	}
	return Shard{instanceID: instanceID, instanceCount: instanceCount}, nil
}

// Owns is whether the object with the given UID belongs to the shard.
func (s Shard) Owns(uid types.UID) bool {
	return Owner(uid, s.instanceCount) == s.instanceID
}

// First is whether the shard is that of instance 0, which also does what is to be
// done once for all instances.
func (s Shard) First() bool { return s.instanceID == 0 }

// Predicate lets the events of the shard's own objects through. It is for a watch
// on the sharded objects themselves; an event of another object that is mapped to
// one of them has to be judged by Owns.
func (s Shard) Predicate() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool { return s.Owns(object.GetUID()) })
}
