package integration_test

import (
	"context"
	"fmt"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/tests/testenv"
)

// inWorld plays the rest of the spec in a world of its own.
func inWorld(ctx context.Context, opts testenv.Options) {
	GinkgoHelper()
	opts.Log = GinkgoWriter
	other, err := testenv.NewWorld(ctx, opts)
	Expect(err).NotTo(HaveOccurred())
	shared := world
	world = other
	DeferCleanup(func() {
		world = shared
		Expect(other.Stop()).To(Succeed())
	})
}

// freePort is a port that nobody listens on.
func freePort(ctx context.Context) int {
	GinkgoHelper()
	ports, err := testenv.FreePorts(ctx, 1)
	Expect(err).NotTo(HaveOccurred())
	return ports[0]
}

// probe asks for a health endpoint, for Eventually.
func probe(ctx context.Context, port int, path string) func() (int, error) {
	return func() (int, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), http.NoBody)
		if err != nil {
			return 0, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
}

// podEvents lists the reasons of the events about the manager's own Pod.
func podEvents(ctx context.Context, namespace string) func() ([]string, error) {
	return func() ([]string, error) {
		list := &eventsv1.EventList{}
		if err := world.Client.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		var reasons []string
		for i := range list.Items {
			if list.Items[i].Regarding.Kind == "Pod" {
				reasons = append(reasons, list.Items[i].Reason)
			}
		}
		return reasons, nil
	}
}

var _ = Describe("Without Cluster API", func() {
	It("the manager stays up, says so, and goes on by itself when it is installed", func(ctx context.Context) {
		inWorld(ctx, testenv.Options{WithoutClusterAPI: true})
		namespace, err := world.Namespace(ctx, "spec")
		Expect(err).NotTo(HaveOccurred())
		port := freePort(ctx)
		operator := startOperator(ctx, monday, func(opts *controllers.Options) {
			opts.HealthPort, opts.PodName, opts.PodNamespace = port, "five-spot-0", namespace
		})
		sm := apply(ctx, namespace, businessHours)
		deleted := apply(ctx, namespace, businessHours, func(sm *v1alpha1.ScheduledMachine) { sm.Name = "desk-8" })

		By("waiting, Ready")
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ClusterAPINotInstalled")
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		Eventually(probe(ctx, port, "/readyz")).Should(Equal(http.StatusOK))
		Eventually(probe(ctx, port, "/healthz")).Should(Equal(http.StatusOK))
		Expect(operator.measured("fivespot_cluster_api_ready")).To(BeZero())
		Eventually(podEvents(ctx, namespace)).Should(ContainElement("ClusterAPINotInstalled"))
		operator.jumpTo(at(0, 9, 0))
		expectPhase(ctx, sm, v1alpha1.PhasePending)
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "False/Waiting")

		By("letting go of an object that cannot have a machine")
		Expect(world.Client.Delete(ctx, deleted)).To(Succeed())
		Eventually(func() bool {
			_, err := read(ctx, deleted)
			return apierrors.IsNotFound(err)
		}).Should(BeTrue())

		By("going on")
		Expect(world.StartClusterAPI(ctx)).To(Succeed())
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ClusterNotFound")
		Eventually(func() float64 { return operator.measured("fivespot_cluster_api_ready") }).Should(BeEquivalentTo(1))
		Eventually(podEvents(ctx, namespace)).Should(ContainElement("ClusterAPIReady"))
		_, err = world.CreateCluster(ctx, namespace, clusterName)
		Expect(err).NotTo(HaveOccurred())
		joined(ctx, sm)
		operator.jumpTo(at(0, 18, 0))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectNoMachine(ctx, sm)
	})
})

var _ = Describe("Without its CRDs", func() {
	It("the manager does not start, and says which one is missing", func(ctx context.Context) {
		bare, err := testenv.Start(ctx, testenv.ControlPlaneOptions{Name: "bare", Log: GinkgoWriter})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(bare.Stop)
		opts, err := controllers.ParseOptions(nil, func(string) (string, bool) { return "", false })
		Expect(err).NotTo(HaveOccurred())
		opts.Registry = prometheus.NewRegistry()
		_, err = controllers.NewManager(ctx, bare.Config, opts, "test")
		Expect(err).To(MatchError(And(
			ContainSubstring("scheduledmachines.5spot.finos.org"),
			ContainSubstring("install the CRDs"))))
	})
})
