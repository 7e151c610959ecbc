package main

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// timeline is the stream of what happens to one ScheduledMachine.
type timeline struct {
	// changed says that something may look different.
	changed chan struct{}
	events  chan *eventsv1.Event
}

// follow prints one line per change until ctx ends, or until the cycle is complete
// if there is one. It fails when the operator ends by itself.
func (d *demo) follow(ctx context.Context, object sample, progress *cycle) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	line, err := d.watch(ctx, object)
	if err != nil {
		return unlessInterrupted(ctx, d.out, err)
	}
	fmt.Fprintln(d.out, "\n"+header())
	var last snapshot
	for !progress.over() {
		select {
		case <-ctx.Done():
			return nil
		case <-d.manager.process.Done():
			return d.manager.ended()
		case event := <-line.events:
			if last, err = d.show(ctx, object, last, progress); err != nil {
				return unlessEnded(ctx, err)
			}
			fmt.Fprintln(d.out, last.row(clock.RealClock{}.Now(), last.describe(event)))
		case <-line.changed:
			if last, err = d.show(ctx, object, last, progress); err != nil {
				return unlessEnded(ctx, err)
			}
		}
	}
	return nil
}

// show prints how things are now unless that was printed last, and moves the workload
// to the machine when it is there.
func (d *demo) show(ctx context.Context, object sample, last snapshot, progress *cycle) (snapshot, error) {
	now, err := takeSnapshot(ctx, d.world, object)
	if err != nil || now == last {
		return last, err
	}
	for _, row := range now.rows(clock.RealClock{}.Now(), last) {
		fmt.Fprintln(d.out, row)
	}
	if progress != nil {
		progress.observe(now)
	}
	if now.settled() {
		return now, nil
	}
	if last.settled() {
		fmt.Fprintln(d.out, now.row(clock.RealClock{}.Now(), fmt.Sprintf("- Moving %d Pods here from Node %s", now.neighbours, neighbour)))
	}
	return now, gather(ctx, d.world, d.workload)
}

// unlessEnded is err, or nothing when ctx has ended: reading then fails, which is
// no news.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// watch starts informers in both clusters. They go on by themselves after a lost
// connection.
func (d *demo) watch(ctx context.Context, object sample) (*timeline, error) {
	line := &timeline{changed: make(chan struct{}, 1), events: make(chan *eventsv1.Event, 64)}
	err := errors.Join(
		d.inform(ctx, d.world.Management.Config, line.touch, &v1alpha1.ScheduledMachine{}, &clusterv1.Machine{}),
		d.inform(ctx, d.world.Workload.Config, line.touch, &corev1.Node{}, &corev1.Pod{}),
		d.inform(ctx, d.world.Management.Config, func(obj any) {
			if event, ok := obj.(*eventsv1.Event); ok && event.Regarding.Kind == "ScheduledMachine" && event.Regarding.Name == object.name {
				line.send(ctx, event)
			}
		}, &eventsv1.Event{}),
	)
	return line, err
}

func (d *demo) inform(ctx context.Context, config *rest.Config, handle func(any), kinds ...client.Object) error {
	informers, err := cache.New(config, cache.Options{Scheme: d.world.Scheme})
	if err != nil {
		return fmt.Errorf("failed to create a cache: %w", err)
	}
	for _, kind := range kinds {
		informer, err := informers.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("failed to watch %T: %w", kind, err)
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    handle,
			UpdateFunc: func(_, obj any) { handle(obj) },
			DeleteFunc: handle,
		}); err != nil {
			return fmt.Errorf("failed to watch %T: %w", kind, err)
		}
	}
	go func() { _ = informers.Start(ctx) }()
	return nil
}

// touch says that something changed. One reminder that was not yet taken is enough.
func (t *timeline) touch(any) {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

func (t *timeline) send(ctx context.Context, event *eventsv1.Event) {
	select {
	case t.events <- event:
	case <-ctx.Done():
	}
}
