package crash_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

const clusterName = "trading"

// kubeconfigName is the Secret that the manager prefers. Cluster API reads another,
// so that only what the manager does goes through the network.
const kubeconfigName = clusterName + "-five-spot-kubeconfig"

// site is a place for one machine at a time: a namespace with a Cluster, and in the
// workload cluster a namespace for pods and a Node for those that have to leave.
// Machines at different sites do not know of each other.
type site struct {
	namespace string
	pods      string // the namespace in the workload cluster
	spare     *corev1.Node
}

// startWorld starts the world, and opens sites in it.
func startWorld() error {
	//nolint:forbidigo // No test owns the world that they share.
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	var err error
	if world, err = testenv.NewWorld(ctx, testenv.Options{Log: os.Stderr, Kubelets: true}); err != nil {
		return err
	}
	var group sync.WaitGroup
	errs := make([]error, cap(sites))
	for i := range errs {
		group.Go(func() {
			var opened *site
			if opened, errs[i] = openSite(ctx, i); errs[i] == nil {
				sites <- opened
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func openSite(ctx context.Context, number int) (*site, error) {
	s := &site{}
	var err error
	if s.namespace, err = world.Namespace(ctx, "crash"); err != nil {
		return nil, err
	}
	if s.pods, err = world.WorkloadNamespace(ctx, "crash"); err != nil {
		return nil, err
	}
	if s.spare, err = world.Provider.AddSpareNode(ctx, fmt.Sprintf("spare-%d", number)); err != nil {
		return nil, err
	}
	_, err = world.CreateCluster(ctx, s.namespace, clusterName)
	return s, err
}

// takeSite waits for a site and gives it back at the end of the test.
func takeSite(t *testing.T) *site {
	t.Helper()
	taken := <-sites
	t.Cleanup(func() { sites <- taken })
	return taken
}

// leadTo makes the manager reach the workload cluster through this config.
func (s *site) leadTo(ctx context.Context, config *rest.Config) error {
	kubeconfig, err := testenv.Kubeconfig(config, clusterName)
	if err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.namespace, Name: kubeconfigName, Labels: map[string]string{clusterv1.ClusterNameLabel: clusterName},
		},
		Type: clusterv1.ClusterSecretType,
		Data: map[string][]byte{"value": kubeconfig},
	}
	err = world.Client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		err = world.Client.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("failed to hand out a kubeconfig: %w", err)
	}
	return nil
}

// closeSpare keeps pods off the spare Node, or lets them on it.
func (s *site) closeSpare(ctx context.Context, closed bool) error {
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, closed)
	return world.WorkloadClient.Patch(ctx, s.spare.DeepCopy(), client.RawPatch("application/merge-patch+json", patch))
}
