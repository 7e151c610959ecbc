package manifests_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// rendered are the objects of a kustomization.
func rendered(t *testing.T, folder string) [][]byte {
	t.Helper()
	needServer(t)
	return bytes.Split([]byte(kubectl(t, "", "kustomize", folder)), []byte("\n---\n"))
}

// only reads the one object of its kind among the documents.
func only[T any](t *testing.T, documents [][]byte, kind string) *T {
	t.Helper()
	var found *T
	for _, document := range documents {
		head := metav1.TypeMeta{}
		if err := yaml.Unmarshal(document, &head); err != nil {
			t.Fatal(err)
		}
		if head.Kind != kind {
			continue
		}
		if found != nil {
			t.Fatalf("there are two objects of kind %s", kind)
		}
		found = new(T)
		if err := yaml.UnmarshalStrict(document, found); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	if found == nil {
		t.Fatalf("there is no object of kind %s", kind)
	}
	return found
}

// What selects the Pods of the manager selects no others: not those of the agent, which
// may be in the same cluster, and not those of somebody who also has a controller-manager.
func TestTheManifestsSelectThePodsOfTheManagerAndNoOthers(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	documents := rendered(t, filepath.Join(root, "config", "default"))
	deployment := only[appsv1.Deployment](t, documents, "Deployment")
	agent := &appsv1.DaemonSet{}
	manifest, err := os.ReadFile(filepath.Join(root, "pkg", "reclaim", "provision", "manifests", "daemonset.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(yaml.UnmarshalStrict(manifest, agent)).To(Succeed())
	g.Expect(agent.Spec.Template.Labels).NotTo(BeEmpty())

	selectors := map[string]*metav1.LabelSelector{
		"Deployment":          deployment.Spec.Selector,
		"PodDisruptionBudget": only[policyv1.PodDisruptionBudget](t, documents, "PodDisruptionBudget").Spec.Selector,
		"Service":             {MatchLabels: only[corev1.Service](t, documents, "Service").Spec.Selector},
	}
	for i := range deployment.Spec.Template.Spec.TopologySpreadConstraints {
		selectors["spread over "+deployment.Spec.Template.Spec.TopologySpreadConstraints[i].TopologyKey] = deployment.Spec.Template.Spec.TopologySpreadConstraints[i].LabelSelector
	}
	for what, written := range selectors {
		selector, err := metav1.LabelSelectorAsSelector(written)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(selector.Matches(labels.Set(deployment.Spec.Template.Labels))).To(BeTrue(), what)
		for whose, others := range map[string]map[string]string{
			"the agent's":                    agent.Spec.Template.Labels,
			"some controller-manager's":      {"app.kubernetes.io/component": "controller-manager"},
			"something else of five-spot's":  {"app.kubernetes.io/name": "five-spot"},
			"what kubebuilder scaffolds":     {"control-plane": "controller-manager", "app.kubernetes.io/name": "project"},
			"a Pod without labels":           nil,
			"another operator of the bank's": {"app.kubernetes.io/component": "controller-manager", "app.kubernetes.io/name": "other"},
		} {
			g.Expect(selector.Matches(labels.Set(others))).To(BeFalse(), "%s selects %s", what, whose)
		}
	}
}

func TestTheManagerStandsByAndIsLookedAfter(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	documents := rendered(t, filepath.Join(root, "config", "default"))
	deployment := only[appsv1.Deployment](t, documents, "Deployment")
	g.Expect(deployment.Spec.Replicas).To(HaveValue(BeEquivalentTo(2)))

	budget := only[policyv1.PodDisruptionBudget](t, documents, "PodDisruptionBudget")
	g.Expect(budget.Namespace).To(Equal(deployment.Namespace))
	g.Expect(budget.Spec.MaxUnavailable).To(HaveValue(Equal(intstr.FromInt32(1))), "a single replica can still be drained from its node")
	g.Expect(budget.Spec.MinAvailable).To(BeNil())
	g.Expect(budget.Spec.UnhealthyPodEvictionPolicy).To(HaveValue(Equal(policyv1.AlwaysAllow)))

	container := deployment.Spec.Template.Spec.Containers[0]
	ports := map[string]int32{}
	for _, port := range container.Ports {
		ports[port.Name] = port.ContainerPort
	}
	g.Expect(ports).To(Equal(map[string]int32{"metrics": 8080, "health": 8081}), "the defaults of the manager")
	for path, probe := range map[string]*corev1.Probe{"/healthz": container.LivenessProbe, "/readyz": container.ReadinessProbe} {
		g.Expect(probe).NotTo(BeNil(), path)
		g.Expect(probe.HTTPGet).To(HaveField("Path", path))
		g.Expect(probe.HTTPGet).To(HaveField("Port", intstr.FromString("health")))
	}
	for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		g.Expect(container.Resources.Requests).To(HaveKey(resource))
		g.Expect(container.Resources.Limits).To(HaveKey(resource))
	}
}

// The certificate that OpenShift issues for the Service is the one that the manager looks
// for; without it the Pod starts all the same.
func TestTheManagerMountsTheCertificateOfItsService(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	documents := rendered(t, filepath.Join(root, "config", "default"))
	pod := only[appsv1.Deployment](t, documents, "Deployment").Spec.Template.Spec
	service := only[corev1.Service](t, documents, "Service")
	g.Expect(pod.Volumes).To(HaveLen(1))
	secret := pod.Volumes[0].Secret
	g.Expect(secret.SecretName).To(Equal(service.Annotations["service.beta.openshift.io/serving-cert-secret-name"]))
	g.Expect(secret.Optional).To(HaveValue(BeTrue()))
	g.Expect(pod.Containers[0].VolumeMounts).To(ConsistOf(And(HaveField("Name", pod.Volumes[0].Name), HaveField("ReadOnly", true))))
	g.Expect(pod.Containers[0].Env).To(ContainElement(corev1.EnvVar{Name: "METRICS_CERT_DIR", Value: pod.Containers[0].VolumeMounts[0].MountPath}))
}

func TestTheServiceMonitorFindsTheMetrics(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	documents := rendered(t, filepath.Join(root, "config", "default"))
	service := only[corev1.Service](t, documents, "Service")
	container := only[appsv1.Deployment](t, documents, "Deployment").Spec.Template.Spec.Containers[0]
	monitor := only[struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			Selector  metav1.LabelSelector `json:"selector"`
			Endpoints []struct {
				Port            string         `json:"port"`
				Path            string         `json:"path"`
				Scheme          string         `json:"scheme"`
				HonorLabels     bool           `json:"honorLabels"`
				BearerTokenFile string         `json:"bearerTokenFile"`
				TLSConfig       map[string]any `json:"tlsConfig"`
			} `json:"endpoints"`
		} `json:"spec"`
	}](t, rendered(t, filepath.Join(root, "config", "prometheus")), "ServiceMonitor")

	g.Expect(monitor.Namespace).To(Equal(service.Namespace))
	selector, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(selector.Matches(labels.Set(service.Labels))).To(BeTrue())
	g.Expect(monitor.Spec.Endpoints).To(HaveLen(1))
	endpoint := monitor.Spec.Endpoints[0]
	g.Expect(endpoint.Scheme + " " + endpoint.Path).To(Equal("https /metrics"))
	g.Expect(endpoint.HonorLabels).To(BeTrue(), "the namespace of a series about an object is that of the object")
	g.Expect(endpoint.BearerTokenFile).NotTo(BeEmpty(), "the manager asks who it is")
	g.Expect(service.Spec.Ports).To(ConsistOf(HaveField("Name", endpoint.Port)))
	g.Expect(container.Ports).To(ContainElement(HaveField("Name", service.Spec.Ports[0].TargetPort.StrVal)))
}
