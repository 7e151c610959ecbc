// Package uninstall removes what the manager has installed beside its own work: the
// admission policies, its NetworkPolicy, monitoring and console objects, and the reclaim
// agents in workload clusters. It is for administrators, when no manager runs. It removes no
// machine, no ScheduledMachine and no CRD.
package uninstall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/operand"
)

// ErrLeft is that something could not be removed. What it is was printed.
var ErrLeft = errors.New("something is left that could not be removed")

// Options say how to uninstall.
type Options struct {
	// Client is an administrator's, without a cache, of the management cluster.
	Client client.Client

	// Out is told of each object, one a line, and at last of what is left.
	Out io.Writer

	// DryRun only says what would be removed.
	DryRun bool

	// LeaseName is what the names of the managers' Leases begin with.
	LeaseName string

	// Timeout is how long to wait in each workload cluster until the agent's Pods have
	// ended; Clock tells.
	Timeout time.Duration
	Clock   Clock
}

// Clock is what of a clock is used.
type Clock interface {
	clock.PassiveClock
	After(d time.Duration) <-chan time.Time
}

// run is one run.
type run struct {
	Options

	// left are the things that could not be removed, or are not removed by this.
	failures, left []string
}

// Operands removes them all, and prints what is left. The agents come first and the
// policies last, so that these hold as long as there is something that they protect. What
// fails does not keep the rest: the error is ErrLeft then.
func Operands(ctx context.Context, opts Options) error {
	r := &run{Options: opts}
	if err := r.refuseWhileAManagerActs(ctx); err != nil {
		return err
	}
	if err := r.agents(ctx); err != nil {
		r.failed("the reclaim agents", err)
	}
	wanted, err := managementObjects()
	if err != nil {
		return err
	}
	for _, object := range wanted {
		r.remove(ctx, object)
	}
	if err := r.look(ctx); err != nil {
		r.failed("the look for what is left", err)
	}
	for _, line := range r.failures {
		r.print("Failed: " + line)
	}
	for _, line := range r.left {
		r.print("Left: " + line)
	}
	if len(r.failures) > 0 {
		return ErrLeft
	}
	return nil
}

func (r *run) print(line string) { fmt.Fprintln(r.Out, line) }

func (r *run) failed(what string, err error) {
	r.failures = append(r.failures, what+": "+err.Error())
}

// remove deletes the objects of that kind and name, in any namespace, that are ours.
func (r *run) remove(ctx context.Context, named *unstructured.Unstructured) {
	live, err := r.find(ctx, named)
	if err != nil {
		r.failed(named.GetKind()+" "+named.GetName(), err)
		return
	}
	for i := range live {
		object, name := &live[i], operand.Name(&live[i])
		switch {
		case !operand.IsOurs(object):
			r.left = append(r.left, name+", which is not labelled "+operand.ManagedByUs)
		case r.DryRun:
			r.print("Would delete " + name)
		default:
			if err := operand.Remove(ctx, r.Client, object); err != nil {
				r.failed(name, err)
				continue
			}
			if len(object.GetFinalizers()) > 0 {
				// A policy still refuses until then.
				r.failed(name, errNotGone)
				continue
			}
			r.print("Deleted " + name)
		}
	}
}
