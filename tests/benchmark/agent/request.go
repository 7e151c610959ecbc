//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/tests/benchmark/agent/told"
)

// requester has the agent ask for the reclaim of its Node, again and again.
type requester struct {
	*server
	*agent
	nodes    watch.Interface
	path     string
	lifetime time.Duration

	took   []time.Duration
	missed int
}

// measureAgent measures the agent as a whole.
func measureAgent(ctx context.Context, out io.Writer, o options, path string) (err error) {
	dir := filepath.Dir(path)
	s, err := startServer(ctx, dir, o.poll)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	c, err := o.node.container("agent", o.limits)
	if err != nil {
		return err
	}
	defer c.remove()
	a, err := startAgent(ctx, s, o.mode, c)
	if err != nil {
		return err
	}
	defer a.stop()
	nodes, err := s.admin.Watch(ctx, &corev1.NodeList{}, client.MatchingFields{"metadata.name": nodeName})
	if err != nil {
		return err
	}
	defer nodes.Stop()
	r := &requester{server: s, agent: a, nodes: nodes, path: path, lifetime: o.lifetime}
	if o.mode == detect.ModePoll {
		r.lifetime = intervals * o.poll
	}
	if err := r.idle(ctx, out, o); err != nil {
		return err
	}
	return r.storm(ctx, out, o, c)
}

// idle measures what the agent uses while nothing happens, and then how long requests
// take.
func (r *requester) idle(ctx context.Context, out io.Writer, o options) error {
	stop, err := sleepers(ctx, o.processes-len(pids()))
	if err != nil {
		return err
	}
	defer stop()
	before, err := r.used()
	if err != nil {
		return err
	}
	pause(ctx, o.idle)
	after, err := r.used()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the agent, idle, %d processes\t%s\n", len(pids()), after.since(before, o.idle))
	for range o.requests {
		if err := r.once(ctx); err != nil {
			return err
		}
	}
	if after, err = r.used(); err != nil {
		return err
	}
	r.report(out, "idle")
	fmt.Fprintf(out, "the agent, after %d requests\tresident %.1f MiB, at most %.1f MiB\n", o.requests, float64(after.Resident)/1024, float64(after.Peak)/1024)
	return nil
}

// storm measures while many other programs start.
func (r *requester) storm(ctx context.Context, out io.Writer, o options, c *cgroup) error {
	before, err := r.used()
	if err != nil {
		return err
	}
	end, err := o.startStorm(ctx, filepath.Dir(r.path), o.storm)
	if err != nil {
		return err
	}
	for begin := time.Now(); time.Since(begin) < o.storm; {
		if err := r.once(ctx); err != nil {
			return err
		}
	}
	started, err := end()
	if err != nil {
		return err
	}
	after, err := r.used()
	if err != nil {
		return err
	}
	r.report(out, "storm")
	fmt.Fprintf(out, "the agent, storm\t%.0f %s/s for %s, %s, throttled %s\n",
		float64(started)/o.storm.Seconds(), o.ofStorm(), o.storm, after.since(before, o.storm), c.throttled())
	return nil
}

func (r *requester) report(out io.Writer, name string) {
	fmt.Fprintf(out, "%s, start to request\t%s, missed %d of %d\n", name, spread(r.took), r.missed, len(r.took)+r.missed)
	if matched := r.take(); len(matched) > 0 { // Polling does not know when a program was started.
		fmt.Fprintf(out, "%s, of that to match\t%s\n", name, spread(matched))
	}
	r.took, r.missed = nil, 0
}

// once starts a program at a random moment, waits for the request, clears it as the
// controller does, and waits until the agent looks for programs again.
func (r *requester) once(ctx context.Context) error {
	pause(ctx, rand.N(250*time.Millisecond))
	t := newTargets(r.path, r.lifetime)
	t.running.Go(func() { t.start(ctx) })
	at, ok, err := r.await(ctx, true)
	t.running.Wait()
	if err != nil || len(t.started) == 0 {
		return errors.Join(err, ctx.Err())
	}
	if !ok {
		r.missed++
		return nil
	}
	r.took = append(r.took, time.Duration(at-t.started[0].at))
	if err := r.clear(ctx); err != nil {
		return err
	}
	if _, ok, err := r.await(ctx, false); err != nil || !ok {
		return errors.Join(err, errPatience)
	}
	return r.agent.await(ctx)
}

// await waits until the Node asks for its reclaim, or does not, and returns when the watch
// told so. A request that does not come soon does not come.
func (r *requester) await(ctx context.Context, requested bool) (at int64, ok bool, err error) {
	const soon = 10 * time.Second
	limit := time.NewTimer(soon)
	defer limit.Stop()
	for {
		select {
		case event, open := <-r.nodes.ResultChan():
			at := told.Monotonic()
			node, isNode := event.Object.(*corev1.Node)
			if !open || !isNode {
				return 0, false, fmt.Errorf("the watch of the Node has ended: %v", event.Object)
			}
			if _, is := reclaim.RequestOf(node.Annotations); is == requested {
				return at, true, nil
			}
		case <-ctx.Done():
			return 0, false, ctx.Err()
		case <-limit.C:
			return 0, false, nil
		}
	}
}

// clear takes the request from the Node.
func (r *requester) clear(ctx context.Context) error {
	annotations := map[string]any{}
	for _, key := range reclaim.AnnotationKeys() {
		annotations[key] = nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return err
	}
	return r.admin.Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}, client.RawPatch(types.MergePatchType, patch))
}
