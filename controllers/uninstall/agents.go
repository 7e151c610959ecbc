package uninstall

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/operand"
	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/pkg/workload"
)

const (
	// goneCheck is when to look again for what is being deleted.
	goneCheck = time.Second

	// requestTimeout bounds a request to a workload cluster, which may be out of reach.
	requestTimeout = 30 * time.Second
)

// errNotGone is that an object, or the agent's Pods, did not end in time.
var errNotGone = errors.New("it is still ending; run this again")

// agents removes the reclaim agent from every workload cluster.
func (r *run) agents(ctx context.Context) error {
	clusters := &clusterv1.ClusterList{}
	err := r.Client.List(ctx, clusters)
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("failed to list Clusters: %w", err)
	}
	here, err := provision.ClusterUID(ctx, r.Client)
	if err != nil {
		return err
	}
	for i := range clusters.Items {
		key := client.ObjectKeyFromObject(&clusters.Items[i])
		if err := r.agentsOf(ctx, key, here); err != nil {
			r.failed("the reclaim agent in Cluster "+key.String(), err)
		}
	}
	return nil
}

func (r *run) agentsOf(ctx context.Context, cluster client.ObjectKey, here types.UID) error {
	name := "the reclaim agent in Cluster " + cluster.String()
	config, err := workload.RESTConfig(ctx, r.Client, cluster)
	if apierrors.IsNotFound(err) {
		// No manager could reach it either, but one may have been able to before.
		r.left = append(r.left, name+", if there is one: the Cluster has no kubeconfig")
		return nil
	}
	if err != nil {
		return err
	}
	config.Timeout = requestTimeout
	c, err := client.New(config, client.Options{Scheme: r.Client.Scheme()})
	if err != nil {
		return fmt.Errorf("failed to connect: %w", err)
	}
	there, err := provision.ClusterUID(ctx, c)
	if err != nil {
		return err
	}
	if there == here {
		return r.agentIn(ctx, c, name, provision.DefaultNamespace, provision.NamespaceBesideManager)
	}
	// Such a cluster may be managing others, and have the agent from its own manager.
	lease, err := r.leaseThatIsHeld(ctx, c)
	if lease != "" {
		r.left = append(r.left, name+", where a manager of its own is running; "+lease)
		return nil
	}
	if err != nil && !apierrors.IsForbidden(err) {
		return err
	}
	return r.agentIn(ctx, c, name, provision.DefaultNamespace)
}

// agentIn removes the agent from a workload cluster, where it is in one of the namespaces,
// and takes our label off the Nodes. One that is not ours needs all of that.
func (r *run) agentIn(ctx context.Context, c client.Client, name string, namespaces ...string) error {
	for i, namespace := range namespaces {
		daemonSet := &appsv1.DaemonSet{}
		err := c.Get(ctx, provision.DaemonSetKey(namespace), daemonSet)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return fmt.Errorf("failed to look for the agent: %w", err)
		case !operand.IsOurs(daemonSet):
			r.left = append(r.left, name+", Namespace "+namespace+", which is not labelled "+operand.ManagedByUs)
			return nil
		default:
			// Its rights and its policy are the cluster's, so it has to end first.
			namespaces[0], namespaces[i] = namespaces[i], namespaces[0]
		}
	}
	provisioner := provision.New(provision.Options{})
	for i, namespace := range namespaces {
		within, elsewhere, err := provisioner.Found(ctx, c, namespace)
		if err != nil {
			return err
		}
		// What is elsewhere goes with the first.
		found := within || elsewhere && i == 0
		if err := r.agentOf(ctx, c, provisioner, name+", Namespace "+namespace, namespace, found); err != nil {
			return err
		}
	}
	return nil
}

// agentOf removes the agent from one namespace, in which something of it was found or not.
func (r *run) agentOf(ctx context.Context, c client.Client, provisioner *provision.Provisioner, name, namespace string, found bool) error {
	if r.DryRun {
		if found {
			r.print("Would remove " + name)
		}
		return nil
	}
	if err := disarm(ctx, c, provisioner, namespace); err != nil {
		return err
	}
	ending, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	err := wait.PollUntilContextCancel(ending, goneCheck, true, func(ctx context.Context) (bool, error) {
		return provisioner.Uninstall(ctx, c, namespace)
	})
	if err != nil && ending.Err() != nil && ctx.Err() == nil {
		return errNotGone
	}
	if err == nil && found {
		r.print("Removed " + name)
	}
	return err
}

func disarm(ctx context.Context, c client.Client, provisioner *provision.Provisioner, namespace string) error {
	nodes := &corev1.NodeList{}
	if err := c.List(ctx, nodes, client.MatchingLabels{v1alpha1.ReclaimAgentLabel: v1alpha1.ReclaimAgentEnabled}); err != nil {
		return fmt.Errorf("failed to list Nodes: %w", err)
	}
	for i := range nodes.Items {
		if _, err := provisioner.Disarm(ctx, c, &nodes.Items[i], namespace); err != nil {
			return err
		}
	}
	return nil
}
