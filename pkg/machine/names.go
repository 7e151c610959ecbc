package machine

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Name is the name of the Machine, bootstrap and infrastructure objects of sm.
// Nothing else names them.
func Name(sm *v1alpha1.ScheduledMachine) string { return sm.Name }

// Namespace is where the objects of sm live: always beside it.
func Namespace(sm *v1alpha1.ScheduledMachine) string { return sm.Namespace }

// Key is Namespace and Name in one.
func Key(sm *v1alpha1.ScheduledMachine) client.ObjectKey {
	return client.ObjectKey{Namespace: Namespace(sm), Name: Name(sm)}
}
