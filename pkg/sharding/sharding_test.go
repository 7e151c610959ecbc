package sharding

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

// uids are version 4 UUIDs as an API server makes them, the same in every run.
func uids(n int) []types.UID {
	random := rand.New(rand.NewPCG(5, 7))
	made := make([]types.UID, n)
	for i := range made {
		a, b := random.Uint64(), random.Uint64()
		made[i] = types.UID(fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff))
	}
	return made
}

func TestObjectsSpreadEvenly(t *testing.T) {
	t.Parallel()
	const objects = 20_000
	alike := make([]types.UID, objects)
	for i := range alike {
		alike[i] = types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
	}
	for name, set := range map[string][]types.UID{"random UIDs": uids(objects), "UIDs that differ in few characters": alike} {
		for _, instances := range []int{2, 3, 5, 8, 16} {
			t.Run(fmt.Sprintf("%s over %d instances", name, instances), func(t *testing.T) {
				t.Parallel()
				counts := make([]int, instances)
				for _, uid := range set {
					counts[Owner(uid, instances)]++
				}
				fair := objects / instances
				for instance, count := range counts {
					if count < fair*90/100 || count > fair*110/100 {
						t.Errorf("instance %d has %d objects, want %d within 10%%", instance, count, fair)
					}
				}
			})
		}
	}
}

func TestAnotherInstanceTakesItsShareAndMovesNothingElse(t *testing.T) {
	t.Parallel()
	set := uids(20_000)
	for instances := 1; instances < 16; instances++ {
		moved := 0
		for _, uid := range set {
			before, after := Owner(uid, instances), Owner(uid, instances+1)
			if before == after {
				continue
			}
			moved++
			if after != instances {
				t.Fatalf("%s moved from %d to %d when instance %d was added", uid, before, after, instances)
			}
		}
		fair := len(set) / (instances + 1)
		if moved < fair*85/100 || moved > fair*115/100 {
			t.Errorf("%d objects moved to instance %d, want %d within 15%%", moved, instances, fair)
		}
	}
}

func TestExactlyOneInstanceOwnsAnObject(t *testing.T) {
	t.Parallel()
	for _, instances := range []int{1, 2, 7, MaxInstances} {
		for _, uid := range append(uids(50), "") {
			owners := 0
			for instance := range instances {
				shard, err := New(instance, instances)
				if err != nil {
					t.Fatal(err)
				}
				if shard.Owns(uid) {
					owners++
				}
			}
			if owners != 1 {
				t.Errorf("%d of %d instances own %q, want 1", owners, instances, uid)
			}
		}
	}
}

// Instances of different versions share the work during an upgrade.
func TestTheOwnerNeverChangesBetweenVersions(t *testing.T) {
	t.Parallel()
	for uid, want := range map[types.UID][3]int{
		"9e107d9d-372b-4d1c-8f3e-000000000001": {1, 1, 26},
		"9e107d9d-372b-4d1c-8f3e-000000000002": {1, 1, 1},
		"":                                     {1, 3, 62},
	} {
		if got := [3]int{Owner(uid, 2), Owner(uid, 5), Owner(uid, 100)}; got != want {
			t.Errorf("owners of %q among 2, 5 and 100 are %v, want %v", uid, got, want)
		}
	}
}

func TestAnEditDoesNotMoveAnObject(t *testing.T) {
	t.Parallel()
	shard, err := New(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, uid := range uids(100) {
		before := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{UID: uid, Name: "a"}}
		after := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{UID: uid, Name: "a", Labels: map[string]string{"tier": "gold"}, Generation: 7}}
		passes := shard.Predicate().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after})
		if passes != shard.Owns(uid) || passes != shard.Predicate().Create(event.CreateEvent{Object: before}) {
			t.Errorf("%s: the predicate does not follow the UID alone", uid)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		id, count int
		want      string
	}{
		"one instance":                      {id: 0, count: 1},
		"the last of several":               {id: 4, count: 5},
		"an instance beyond the last":       {id: 5, count: 5, want: "from 0 to 4 for 5 instances, not 5"},
		"a negative instance":               {id: -1, count: 5, want: "from 0 to 4"},
		"no instance at all":                {id: 0, count: 0, want: "from 1 to 1024, not 0"},
		"a negative number of instances":    {id: 0, count: -3, want: "from 1 to 1024"},
		"more instances than are supported": {id: 0, count: MaxInstances + 1, want: "from 1 to 1024"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shard, err := New(test.id, test.count)
			if test.want == "" {
				if err != nil || shard.First() != (test.id == 0) {
					t.Fatalf("New() = %+v, %v", shard, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("New() error = %v, want %q", err, test.want)
			}
		})
	}
}

func BenchmarkOwner(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Owner("9e107d9d-372b-4d1c-8f3e-000000000001", 10)
	}
}
