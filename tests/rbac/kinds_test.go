package rbac_test

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	bootstrapGroup      = "bootstrap.cluster.x-k8s.io"
	infrastructureGroup = "infrastructure.cluster.x-k8s.io"
)

// foreignKind is a kind of somebody else's that is played by a minimal CRD.
type foreignKind struct {
	group, version, kind, plural string
}

func (k foreignKind) crd() *apiextensionsv1.CustomResourceDefinition {
	kind := schema.GroupVersionKind{Group: k.group, Version: k.version, Kind: k.kind}
	return testenv.MinimalCRD(kind, k.plural, apiextensionsv1.NamespaceScoped)
}

// providerObject is one of this kind, as a ScheduledMachine has it.
func (k foreignKind) providerObject() v1alpha1.ProviderObject {
	return v1alpha1.ProviderObject{APIVersion: k.group + "/" + k.version, Kind: k.kind}
}

// bootstrapKinds and infrastructureKinds are those of every provider that the manager may
// use without further ado. The simulated provider has the first of each.
var (
	bootstrapKinds = []foreignKind{
		{group: bootstrapGroup, version: "v1beta2", kind: "K0sWorkerConfig", plural: "k0sworkerconfigs"},
		{group: bootstrapGroup, version: "v1beta2", kind: "KubeadmConfig", plural: "kubeadmconfigs"},
		{group: bootstrapGroup, version: "v1beta2", kind: "EKSConfig", plural: "eksconfigs"},
		{group: bootstrapGroup, version: "v1beta2", kind: "NodeadmConfig", plural: "nodeadmconfigs"},
	}
	infrastructureKinds = []foreignKind{
		{group: infrastructureGroup, version: "v1beta2", kind: "RemoteMachine", plural: "remotemachines"},
		{group: infrastructureGroup, version: "v1beta2", kind: "AWSMachine", plural: "awsmachines"},
		{group: infrastructureGroup, version: "v1beta1", kind: "AzureMachine", plural: "azuremachines"},
		{group: infrastructureGroup, version: "v1beta2", kind: "DevMachine", plural: "devmachines"},
		{group: infrastructureGroup, version: "v1beta2", kind: "DockerMachine", plural: "dockermachines"},
		{group: infrastructureGroup, version: "v1beta1", kind: "GCPMachine", plural: "gcpmachines"},
		{group: infrastructureGroup, version: "v1beta1", kind: "Metal3Machine", plural: "metal3machines"},
		{group: infrastructureGroup, version: "v1beta1", kind: "OpenStackMachine", plural: "openstackmachines"},
		{group: infrastructureGroup, version: "v1beta1", kind: "VSphereMachine", plural: "vspheremachines"},
	}
)

// foreignKinds are all that nobody else has installed.
func foreignKinds() []foreignKind {
	kinds := append([]foreignKind{}, bootstrapKinds[1:]...)
	return append(kinds, infrastructureKinds[1:]...)
}
