package manager_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// credential is what must not be seen. Nothing else contains it.
const credential = "correct-horse-battery-staple"

// These tests run before the parallel ones, and so with the only manager of this world.

func TestASecretsValueIsShownNowhereAtTheHighestVerbosity(t *testing.T) {
	m := startManager(t, "--log-level=5")
	tenant := m.newTenant()
	seen := tenant.record()
	tenant.quotedBy(admissionv1.Deny, "denied")
	tenant.quotedBy(admissionv1.Warn, "warned")
	installPickyProvider(t)

	valid := "user: " + credential + "\n"
	for name, value := range map[string]string{
		"merged": valid, "warned": valid, "denied": valid,
		"typed": "port: " + credential, "picky": "password: " + credential,
		"text": credential, "twice": "a: " + credential + "\na: 1\n", "alias": "a: &a " + credential + "\nb: *a\n",
		"broken": "{" + credential, "other": valid,
	} {
		tenant.secret(name, value)
	}
	refused := map[string]struct {
		adjust func(*v1alpha1.ScheduledMachine)
		says   string
	}{
		"denied": {nil, `False/ProviderRefused: spec.infrastructureSpec: RemoteMachine "denied" was refused: Invalid (the answer is not shown, since a secretRef took part)`},
		"typed":  {nil, `False/ProviderRefused: spec.infrastructureSpec: RemoteMachine "typed" was refused: Invalid (the answer is not shown, since a secretRef took part)`},
		"picky": {func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.InfrastructureSpec.APIVersion, sm.Spec.InfrastructureSpec.Kind = "infrastructure.cluster.x-k8s.io/v1beta1", "DevMachine"
		}, `False/ProviderRefused: spec.infrastructureSpec: DevMachine "picky" was refused: Invalid (the answer is not shown, since a secretRef took part)`},
		"text":   {nil, `False/SecretInvalid: spec.infrastructureSpec.secretRef: key "spec" of Secret "text" must be a YAML or JSON object`},
		"twice":  {nil, `False/SecretInvalid: spec.infrastructureSpec.secretRef: key "spec" of Secret "twice" must be a YAML or JSON object`},
		"alias":  {nil, `False/SecretInvalid: spec.infrastructureSpec.secretRef: key "spec" of Secret "alias" must not use YAML aliases`},
		"broken": {nil, `False/SecretInvalid: spec.infrastructureSpec.secretRef: key "spec" of Secret "broken" must be a YAML or JSON object`},
		"absent": {nil, `False/SecretNotFound: spec.infrastructureSpec.secretRef: Secret "absent" does not exist`},
		"other": {func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.InfrastructureSpec.SecretRef.Key = "ssh"
		}, `False/SecretNotFound: spec.infrastructureSpec.secretRef: Secret "other" has no key "ssh"`},
	}
	merged, warned := tenant.machine("merged"), tenant.machine("warned")
	all := []*v1alpha1.ScheduledMachine{merged, warned}
	for name, c := range refused {
		sm := tenant.machine(name, func(sm *v1alpha1.ScheduledMachine) {
			if c.adjust != nil {
				c.adjust(sm)
			}
		})
		all = append(all, sm)
		m.Eventually(tenant.conditionOf(sm, v1alpha1.ReferencesValidCondition)).Should(Equal(c.says), name)
	}
	for _, sm := range []*v1alpha1.ScheduledMachine{merged, warned} {
		tenant.reaches(sm, v1alpha1.PhaseActive)
		m.Expect(tenant.hasUser(sm)).To(Equal(credential))
	}
	m.Eventually(seen.kinds).Should(ContainElements("ScheduledMachine", "Machine", "Event"))
	tenant.remove(all...)

	m.expectJSON()
	log := string(m.log.Contents())
	m.Expect(log).To(ContainSubstring("a warning is not shown, since a secretRef took part"), "the provider warned, and that was heard")
	m.Expect(log).To(ContainSubstring(`"logger":"controller-runtime`), "the libraries log")
	m.Expect(log).To(MatchRegexp(`reflector\.go|reflector`), "client-go logs details")
	_, metrics, err := m.ask("https://"+m.metrics+"/metrics", newAccount(t, "prometheus-of-secrets", "five-spot-metrics-reader"))
	m.Expect(err).NotTo(HaveOccurred())
	m.Expect(metrics).To(ContainSubstring("fivespot_machines_by_phase"))
	access := tenant.keyOfTheWorkloadCluster()
	for what, forms := range map[string][]string{
		"the credential":         formsOf(credential),
		"the token":              formsOf(m.token),
		"the Secret's value":     formsOf(valid),
		"the kubeconfig's key":   formsOf(access),
		"the token's own claims": {strings.Split(m.token, ".")[1], strings.Split(m.token, ".")[2]},
	} {
		for _, form := range forms {
			m.Expect(strings.Contains(log, form)).To(BeFalse(), "the log shows %s", what)
			m.Expect(strings.Contains(metrics, form)).To(BeFalse(), "the metrics show %s", what)
			m.Expect(seen.shows(form)).To(BeEmpty(), "somebody without the right to read Secrets sees %s", what)
		}
	}
}

// keyOfTheWorkloadCluster is a line of the key with which the manager reaches it.
func (t *tenant) keyOfTheWorkloadCluster() string {
	t.Helper()
	secret := &corev1.Secret{}
	t.Expect(world.Client.Get(t.Context(), client.ObjectKey{Namespace: t.namespace, Name: clusterName + "-kubeconfig"}, secret)).To(Succeed())
	access, err := clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
	t.Expect(err).NotTo(HaveOccurred())
	lines := strings.Split(string(access.KeyData), "\n")
	t.Expect(len(lines)).To(BeNumerically(">", 2))
	return lines[1]
}

func TestAChangedSecretIsUsedAtTheNextActivation(t *testing.T) {
	m := startManager(t)
	tenant := m.newTenant()
	tenant.secret("desk", "user: first")
	sm := tenant.machine("desk")
	tenant.reaches(sm, v1alpha1.PhaseActive)
	m.Expect(tenant.hasUser(sm)).To(Equal("first"))
	before := tenant.machineUID(sm)

	// Anything that makes the manager look again will do.
	tenant.secret("desk", "user: second")
	tenant.patch(sm, `{"spec":{"priority":51}}`)
	m.Eventually(func() int64 { return tenant.read(sm).Status.ObservedGeneration }).Should(Equal(tenant.read(sm).Generation))
	m.Expect(tenant.conditionOf(sm, v1alpha1.ReadyCondition)()).To(HavePrefix("True/AsScheduled"), "a Secret is not part of the spec")
	m.Expect(tenant.machineUID(sm)).To(Equal(before))
	m.Expect(tenant.hasUser(sm)).To(Equal("first"))

	tenant.patch(sm, `{"spec":{"schedule":{"override":{"state":"Inactive","until":"2100-01-01T00:00:00Z"}}}}`)
	tenant.reaches(sm, v1alpha1.PhaseInactive)
	tenant.patch(sm, `{"spec":{"schedule":{"override":null}}}`)
	tenant.reaches(sm, v1alpha1.PhaseActive)
	m.Expect(tenant.machineUID(sm)).NotTo(Equal(before))
	m.Expect(tenant.hasUser(sm)).To(Equal("second"))
	tenant.remove(sm)
}

// formsOf are a text as it is, and as base64 shows it wherever it begins in what is
// encoded.
func formsOf(text string) []string {
	forms := []string{text}
	for offset := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + text))
		// What the neighbours bear on is left out.
		forms = append(forms, strings.TrimRight(encoded, "=")[[]int{0, 2, 3}[offset]:len(encoded)-4])
	}
	return forms
}

// quotedBy has the API server quote the user of one RemoteMachine, in a refusal or in a
// warning.
func (t *tenant) quotedBy(action admissionv1.ValidationAction, name string) {
	t.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "quotes-" + name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: new(admissionv1.Fail),
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{"infrastructure.cluster.x-k8s.io"}, APIVersions: []string{"*"}, Resources: []string{"remotemachines"}},
				},
			}}},
			MatchConditions: []admissionv1.MatchCondition{{Name: "name", Expression: "object.metadata.name.startsWith('" + name + "')"}},
			Validations: []admissionv1.Validation{{
				Expression: "object.spec.user == 'root'", MessageExpression: "'weak credentials: ' + object.spec.user",
			}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{action}},
	}
	for _, obj := range []client.Object{policy, binding} {
		t.Expect(world.Client.Create(t.Context(), obj)).To(Succeed())
		t.Cleanup(func() { _ = world.Client.Delete(context.WithoutCancel(t.Context()), obj) })
	}
	// It is heeded a moment after it was written.
	heard := &warnings{}
	config := world.Config()
	config.WarningHandlerWithContext = heard
	probe, err := client.New(config, client.Options{Scheme: world.Scheme})
	t.Expect(err).NotTo(HaveOccurred())
	t.Eventually(func() string {
		remote := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"user": "probe"}}}
		remote.SetGroupVersionKind(testenv.RemoteMachineKind)
		remote.SetNamespace(t.namespace)
		remote.SetName(name + "-probe")
		if err := probe.Create(t.Context(), remote, client.DryRunAll); err != nil {
			return err.Error()
		}
		return heard.String()
	}).Should(ContainSubstring("weak credentials: probe"))
}

type warnings struct {
	mu   sync.Mutex
	text string
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text += text
}

// String is all that was said.
func (w *warnings) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text
}

// installPickyProvider installs a kind whose schema quotes what it refuses.
func installPickyProvider(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	crd := &apiextensionsv1.CustomResourceDefinition{}
	g.Expect(yaml.UnmarshalStrict([]byte(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: devmachines.infrastructure.cluster.x-k8s.io
spec:
  group: infrastructure.cluster.x-k8s.io
  names: {kind: DevMachine, listKind: DevMachineList, plural: devmachines, singular: devmachine}
  scope: Namespaced
  versions:
  - name: v1beta1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              address: {type: string}
              password: {type: string, pattern: "^[0-9]+$"}
`), crd)).To(Succeed())
	_, err := envtest.InstallCRDs(world.Config(), envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{crd}})
	g.Expect(err).NotTo(HaveOccurred())
	dev := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"password": "probe"}}}
	dev.SetAPIVersion("infrastructure.cluster.x-k8s.io/v1beta1")
	dev.SetKind("DevMachine")
	dev.SetNamespace(metav1.NamespaceDefault)
	dev.SetName("probe")
	g.Expect(world.Client.Create(t.Context(), dev, client.DryRunAll)).To(MatchError(ContainSubstring(`Invalid value: "probe"`)))
}

// public is all that the API server told of objects that many may read.
type public struct {
	mu   sync.Mutex
	seen map[string][]string
}

// record begins to watch what is public in a tenant's namespace.
func (t *tenant) record() *public {
	t.Helper()
	p := &public{seen: map[string][]string{}}
	for kind, list := range map[string]client.ObjectList{
		"ScheduledMachine": &v1alpha1.ScheduledMachineList{}, "Machine": &clusterv1.MachineList{}, "Event": &eventsv1.EventList{},
	} {
		watch, err := world.Client.Watch(t.Context(), list, client.InNamespace(t.namespace))
		t.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(watch.Stop)
		go func() {
			for event := range watch.ResultChan() {
				text, err := json.Marshal(event.Object)
				if err != nil {
					text = []byte(err.Error())
				}
				p.mu.Lock()
				p.seen[kind] = append(p.seen[kind], string(text))
				p.mu.Unlock()
			}
		}()
	}
	return p
}

// kinds are those of which anything was seen.
func (p *public) kinds() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kinds []string
	for kind := range p.seen {
		kinds = append(kinds, kind)
	}
	return kinds
}

// shows are the objects with a text in them.
func (p *public) shows(text string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, all := range p.seen {
		for _, object := range all {
			if strings.Contains(object, text) {
				found = append(found, object)
			}
		}
	}
	return found
}
