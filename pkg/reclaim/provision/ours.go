package provision

import "github.com/finos/five-spot/api/v1alpha1"

const managedByUs = v1alpha1.ManagedByLabel + "=" + v1alpha1.ManagedByFiveSpot

// isOurs is whether the object says that it is ours.
func isOurs(object interface{ GetLabels() map[string]string }) bool {
	return object.GetLabels()[v1alpha1.ManagedByLabel] == v1alpha1.ManagedByFiveSpot
}
