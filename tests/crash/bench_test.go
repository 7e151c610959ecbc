package crash_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/tests/testenv"
)

// Instants of the schedule of every machine here: 09:00-18:00, Monday to Friday.
var (
	insideWindow = time.Date(2037, time.November, 23, 9, 30, 0, 0, time.UTC)
	windowCloses = time.Date(2037, time.November, 23, 18, 0, 0, 0, time.UTC)
	nextDay      = insideWindow.Add(24 * time.Hour)
)

var benches atomic.Int32

// bench is one ScheduledMachine from its creation to its end.
type bench struct {
	*testing.T

	sm      *v1alpha1.ScheduledMachine
	clock   *clocktesting.FakeClock
	history *history
	process *process
}

// newBench creates a ScheduledMachine and starts the clock inside its window.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, clock: clocktesting.NewFakeClock(insideWindow)}
	b.sm = newScheduledMachine(fmt.Sprintf("desk-%d", benches.Add(1)))
	b.history = watchHistory(t, b.sm.Name)
	if err := world.Client.Create(t.Context(), b.sm); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(testenv.LetFlow(b.clock))
	t.Cleanup(b.discard)
	return b
}

func newScheduledMachine(name string) *v1alpha1.ScheduledMachine {
	return &v1alpha1.ScheduledMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.ScheduledMachineSpec{
			ClusterName: clusterName,
			Schedule:    v1alpha1.Schedule{DaysOfWeek: []v1alpha1.DayRange{"mon-fri"}, HoursOfDay: []v1alpha1.HourRange{"9-17"}},
			BootstrapSpec: v1alpha1.ProviderObject{
				APIVersion: "bootstrap.cluster.x-k8s.io/v1beta2", Kind: "K0sWorkerConfig",
				Spec: &runtime.RawExtension{Raw: []byte(`{"version":"v1.36.3+k0s.0"}`)},
			},
			InfrastructureSpec: v1alpha1.ProviderObject{
				APIVersion: "infrastructure.cluster.x-k8s.io/v1beta2", Kind: "RemoteMachine",
				Spec: &runtime.RawExtension{Raw: []byte(`{"address":"192.0.2.7","port":22,"user":"root"}`)},
			},
		},
	}
}

// discard takes away what is left, so that the managers of later benches do not see it.
func (b *bench) discard() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), patience)
	defer cancel()
	b.stop()
	release := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	if err := world.Client.Patch(ctx, b.sm.DeepCopy(), release); client.IgnoreNotFound(err) != nil {
		b.Error(err)
	}
	for _, kind := range created() {
		obj := kind.DeepCopyObject().(client.Object)
		obj.SetNamespace(namespace)
		obj.SetName(b.sm.Name)
		if err := world.Client.Delete(ctx, obj); client.IgnoreNotFound(err) != nil {
			b.Error(err)
		}
	}
	if err := world.Client.Delete(ctx, b.sm.DeepCopy()); client.IgnoreNotFound(err) != nil {
		b.Error(err)
	}
}

// read returns the object as it is; nil when it is gone.
func (b *bench) read() *v1alpha1.ScheduledMachine {
	b.Helper()
	now := &v1alpha1.ScheduledMachine{}
	err := world.Client.Get(b.Context(), client.ObjectKeyFromObject(b.sm), now)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		b.Fatal(err)
	}
	return now
}

// patch changes the object as a user would.
func (b *bench) patch(body string) {
	b.Helper()
	if err := world.Client.Patch(b.Context(), b.sm.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(body))); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) jumpTo(at time.Time) { b.clock.Step(at.Sub(b.clock.Now())) }

// process is one run of the manager.
type process struct {
	network *network
	cancel  context.CancelFunc
	done    chan error
}

// start starts a manager that goes on where the one before left off.
func (b *bench) start() { b.startOn(newNetwork()) }

func (b *bench) startOn(n *network) {
	b.Helper()
	opts, err := controllers.ParseOptions([]string{
		"--metrics-port=0", "--health-port=0", "--enable-leader-election=false", "--join-timeout=876000h",
	}, func(string) (string, bool) { return "", false })
	if err != nil {
		b.Fatal(err)
	}
	opts.Clock, opts.Registry = b.clock, prometheus.NewRegistry()
	opts.ForceFinalizerOnTimeout = false
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	p := &process{network: n, cancel: cancel, done: make(chan error, 1)}
	mgr, err := controllers.NewManager(ctx, p.network.wrap(world.Config()), opts, "test")
	if err != nil {
		cancel()
		b.Fatal(err)
	}
	go func() { p.done <- mgr.Start(ctx) }()
	b.process = p
}

// stop ends the manager, dead or alive.
func (b *bench) stop() {
	if b.process == nil {
		return
	}
	b.process.cancel()
	select {
	case <-b.process.done:
	case <-time.After(patience):
		b.Error("the manager does not stop")
	}
	b.process = nil
}

// await waits until the state is reached, and is whether it was: not when the process
// died before.
func (b *bench) await(what string, reached func() bool) bool {
	b.Helper()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !reached() {
		select {
		case <-b.process.network.dead:
			return false
		case <-deadline:
			b.Fatalf("waited in vain until %s: %+v", what, b.read())
		case <-ticker.C:
		}
	}
	return true
}
