package testenv

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/finos/five-spot/api/v1alpha1"
)

// ScheduledMachine is one of a Cluster, whose window is always open and whose machine is
// one of the Provider's at the address.
func ScheduledMachine(namespace, name, cluster, address string) *v1alpha1.ScheduledMachine {
	return &v1alpha1.ScheduledMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.ScheduledMachineSpec{
			ClusterName:        cluster,
			Schedule:           v1alpha1.Schedule{DaysOfWeek: []v1alpha1.DayRange{"mon-sun"}, HoursOfDay: []v1alpha1.HourRange{"0-23"}},
			BootstrapSpec:      providerObject(K0sWorkerConfigKind, `{"version":"v1.36.3+k0s.0"}`),
			InfrastructureSpec: providerObject(RemoteMachineKind, `{"address":"`+address+`","port":22,"user":"root"}`),
		},
	}
}

func providerObject(kind schema.GroupVersionKind, spec string) v1alpha1.ProviderObject {
	return v1alpha1.ProviderObject{
		APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Spec: &runtime.RawExtension{Raw: []byte(spec)},
	}
}
