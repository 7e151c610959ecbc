package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// pollInterval is how often a wait looks again.
const pollInterval = 50 * time.Millisecond

// WaitFor reads the object again and again until the condition holds for it, and
// leaves in it what was read last. An object that does not exist yet is waited
// for. It fails when ctx ends, and then tells what the object looked like.
func WaitFor(ctx context.Context, c client.Reader, obj client.Object, condition func() bool) error {
	key := client.ObjectKeyFromObject(obj)
	var last error
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		last = c.Get(ctx, key, obj)
		return last == nil && condition(), nil
	})
	if err == nil {
		return nil
	}
	// The last read fails too when ctx ends, which says nothing new.
	if last != nil && !errors.Is(last, context.DeadlineExceeded) && !errors.Is(last, context.Canceled) {
		return fmt.Errorf("failed to wait for %T %s: %w: %w", obj, key, err, last)
	}
	obj.SetManagedFields(nil)
	content, marshalErr := json.Marshal(obj)
	return errors.Join(fmt.Errorf("failed to wait for %T %s: %w: it is %s", obj, key, err, content), marshalErr)
}

// WaitGone reads the object again and again until it does not exist. It fails when
// ctx ends.
func WaitGone(ctx context.Context, c client.Reader, obj client.Object) error {
	key := client.ObjectKeyFromObject(obj)
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(c.Get(ctx, key, obj)), nil
	})
	if err != nil {
		return fmt.Errorf("failed to wait until %T %s is gone: %w", obj, key, err)
	}
	return nil
}
