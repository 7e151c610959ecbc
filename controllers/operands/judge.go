package operands

import (
	"context"
	"errors"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/controllers/onepass"
	"github.com/finos/five-spot/pkg/operand"
)

// settledCheck is when to look again for what settles by itself within moments.
const settledCheck = time.Second

// judge says in the log, once, why an object is not as it should be, and returns when to
// try again; 0 is at its next change. What is nobody's to mend is added to errs.
func (r *Reconciler) judge(ctx context.Context, one *Operand, err error, errs *[]error) time.Duration {
	switch {
	case err == nil:
		delete(r.told, operand.Name(one.Object))
		return 0
	case errors.Is(err, errNotServed):
		// A cluster without that kind is as good as any other.
		delete(r.told, operand.Name(one.Object))
		return 0
	case errors.Is(err, operand.ErrBeingDeleted):
		// Its end wakes us, and may be long in coming: somebody's finalizer holds it.
		return onepass.RetryAfter
	case apierrors.IsConflict(err), meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		// Somebody else wrote first. And the API server says that a kind is there a moment
		// before it serves it.
		return settledCheck
	case errors.Is(err, operand.ErrNewerInstalled), errors.Is(err, operand.ErrForeign):
		// Its change wakes us.
		r.tell(ctx, one, "An object is left alone", err)
		return 0
	case errors.Is(err, operand.ErrNoOwner):
		r.tell(ctx, one, "An object cannot be installed: its owner is missing", err)
		return onepass.RetryAfter
	case apierrors.IsForbidden(err):
		r.tell(ctx, one, "An object cannot be installed: a right is missing", err)
		return onepass.RetryAfter
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), isUndeclared(err):
		// Such as by a version of the CRD that we do not know.
		r.tell(ctx, one, "An object cannot be installed: it is refused", err)
		return onepass.RetryAfter
	}
	*errs = append(*errs, err)
	return 0
}

// sooner is the shorter of two delays, where 0 is none.
func sooner(one, other time.Duration) time.Duration {
	if one == 0 || other == 0 {
		return max(one, other)
	}
	return min(one, other)
}

// isUndeclared is whether the CRD lacks a field of ours, for which the API server gives no
// reason but an internal error.
func isUndeclared(err error) bool {
	return strings.Contains(err.Error(), "field not declared in schema")
}

func (r *Reconciler) tell(ctx context.Context, one *Operand, what string, err error) {
	name, why := operand.Name(one.Object), err.Error()
	if r.told[name] == why {
		return
	}
	r.told[name] = why
	ctrl.LoggerFrom(ctx).Info(what, "object", name, "reason", why)
}
