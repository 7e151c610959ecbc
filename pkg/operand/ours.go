package operand

import (
	"errors"

	"github.com/finos/five-spot/api/v1alpha1"
)

// ManagedByUs is the label of what is ours, for messages.
const ManagedByUs = v1alpha1.ManagedByLabel + "=" + v1alpha1.ManagedByFiveSpot

// ErrForeign is that there is an object of that name which is not ours, such as one that
// was applied by hand. It is left alone.
var ErrForeign = errors.New("is not labelled " + ManagedByUs)

// IsOurs is whether the object says that it is ours. What was applied by hand does not.
func IsOurs(object interface{ GetLabels() map[string]string }) bool {
	return object.GetLabels()[v1alpha1.ManagedByLabel] == v1alpha1.ManagedByFiveSpot
}
