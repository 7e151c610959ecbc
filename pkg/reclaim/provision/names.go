package provision

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/operand"
)

// DaemonSetKey names the DaemonSet of the agent. It is installed last: where it is, the
// policy is too.
func DaemonSetKey(namespace string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: agent}
}

// Supported is whether the agent can be installed in the cluster of the client, which
// must know what that serves; if not, Install ends with ErrPolicyUnsupported.
func Supported(c client.Client) (bool, error) { return operand.Serves(c, policyKind) }
