package provision

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/operand"
)

const (
	// DefaultNamespace is where the agent is in a workload cluster.
	DefaultNamespace = "5spot-system"

	// NamespaceBesideManager is where it is in the cluster in whose DefaultNamespace
	// the manager runs.
	NamespaceBesideManager = "5spot-agent"

	// agent is the name of most that is installed.
	agent = "five-spot-reclaim-agent"
)

// Errors of Install and Arm. They come with the object that they are about.
var (
	// ErrPolicyUnsupported is that the cluster has no ValidatingAdmissionPolicy, which
	// came with Kubernetes 1.30. Nothing was installed.
	ErrPolicyUnsupported = errors.New("the cluster has no admission policies (ValidatingAdmissionPolicy v1)")

	// ErrForeign is that there is an object of that name which is not ours, such as one
	// that was installed by hand. Nothing was written.
	ErrForeign = fmt.Errorf("exists and %w", operand.ErrForeign)

	// ErrNewerInstalled is that a newer manager wrote the object. Nothing was written;
	// the agent that is there works with this manager, too.
	ErrNewerInstalled = operand.ErrNewerInstalled

	// ErrRestrictedNamespace is that a Namespace which is not ours does not let the
	// agent's Pods run. Nothing was written.
	ErrRestrictedNamespace = errors.New("is not ours and must be labelled " + enforceLabel + "=" + enforcePrivileged + " for the agent's Pods to run")

	// ErrBeingDeleted is that an object is going away. It is to be tried again.
	ErrBeingDeleted = operand.ErrBeingDeleted
)

// Options say what is installed.
type Options struct {
	// Image is the image of the agent.
	Image string

	// PullSecret is the name of a Secret in the agent's namespace with which the image
	// is pulled; empty where none is needed. It is not created here.
	PullSecret string

	// Version is that of this manager, in the form of semantic versioning. One in
	// another form, such as that of a developer's build, counts as neither older nor
	// newer than any.
	Version string
}

// Provisioner installs the agent. It has no state and is safe for concurrent use.
type Provisioner struct {
	options Options
	version operand.Version
}

// New returns a Provisioner.
func New(options Options) *Provisioner {
	return &Provisioner{options: options, version: operand.ParseVersion(options.Version)}
}

// ClusterUID is the UID of the Namespace kube-system, which tells clusters apart.
func ClusterUID(ctx context.Context, c client.Reader) (types.UID, error) {
	namespace := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, namespace); err != nil {
		return "", fmt.Errorf("failed to get Namespace %s: %w", metav1.NamespaceSystem, err)
	}
	return namespace.UID, nil
}

// Namespace is where the agent is to be. The UIDs are the ClusterUIDs of the workload
// and of the management cluster, which are the same if these are one cluster. The namespace that the manager runs in is never that of an agent: it would
// have to be made privileged, and to go with the agent.
func Namespace(workload, management types.UID, managerNamespace string) string {
	if workload == management && managerNamespace == DefaultNamespace {
		return NamespaceBesideManager
	}
	return DefaultNamespace
}
