package hostile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers"
)

const (
	// clusterName is the Cluster in the namespace.
	clusterName = "trading"

	// inOrder is the name of a machine that nothing is the matter with.
	inOrder = "desk-in-order"

	// longest is how many characters a message may have.
	longest = 1024
)

// arena is a namespace with everything that the attacks are about, and the manager.
type arena struct {
	*testing.T
	*WithT
	namespace string
	registry  *prometheus.Registry
	log       *gbytes.Buffer
}

func TestHostileManifests(t *testing.T) {
	if world == nil {
		t.Skip("needs a control plane")
	}
	a := newArena(t)
	sent := map[string]*v1alpha1.ScheduledMachine{}
	for i, sentence := range sentences() {
		t.Run("sent: "+sentence, func(t *testing.T) {
			if sm := a.send(t, attacks()[sentence], fmt.Sprintf("hostile-%03d", i)); sm != nil {
				sent[sentence] = sm
			}
		})
	}
	t.Logf("the API server took %d of %d manifests", len(sent), len(attacks()))
	t.Run("taken", func(t *testing.T) {
		for sentence, sm := range sent {
			t.Run(sentence, func(t *testing.T) {
				t.Parallel()
				a.judge(t, attacks()[sentence], sm)
			})
		}
	})
	a.expectPlainEvents()
	a.expectPlainMetrics()
	a.expectPlainLog()

	// The manager has lived through all of it and still does its work.
	sm := a.send(t, attack{harmless: "it is in order"}, inOrder)
	a.Eventually(func() v1alpha1.Phase { return a.read(sm).Status.Phase }).Should(Equal(v1alpha1.PhaseActive))
}

func newArena(t *testing.T) *arena {
	t.Helper()
	a := &arena{T: t, WithT: NewWithT(t), registry: prometheus.NewRegistry(), log: gbytes.NewBuffer()}
	var err error
	a.namespace, err = world.Namespace(t.Context(), "hostile")
	a.Expect(err).NotTo(HaveOccurred())
	_, err = world.CreateCluster(t.Context(), a.namespace, clusterName)
	a.Expect(err).NotTo(HaveOccurred())
	for name, value := range secretValues() {
		a.Expect(world.Client.Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: name, Labels: map[string]string{v1alpha1.AllowSecretRefLabel: "true"}},
			Data:       map[string][]byte{"spec": []byte(value)},
		})).To(Succeed())
	}
	a.startManager()
	return a
}

// startManager runs the manager in this process, with the log of the highest verbosity.
func (a *arena) startManager() {
	a.Helper()
	opts, err := controllers.ParseOptions([]string{
		"--metrics-port=0", "--health-port=0", "--enable-leader-election=false", "--log-level=5",
	}, func(string) (string, bool) { return "", false })
	a.Expect(err).NotTo(HaveOccurred())
	opts.Registry = a.registry
	log := zap.New(zap.WriteTo(a.log), zap.JSONEncoder(), zap.Level(zapcore.Level(-opts.LogLevel)))
	ctrl.SetLogger(log)
	ctx, cancel := context.WithCancel(ctrl.LoggerInto(context.WithoutCancel(a.Context()), log))
	mgr, err := controllers.NewManager(ctx, world.Config(), opts, "test")
	a.Expect(err).NotTo(HaveOccurred())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	a.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				a.Errorf("the manager: %v", err)
			}
		case <-time.After(soon):
			a.Error("the manager does not stop")
		}
	})
}

// send sends what an attacker sends: without asking the API server to be strict. It
// returns what was taken; nil when the API server refuses it as it should.
func (a *arena) send(t *testing.T, row attack, name string) *v1alpha1.ScheduledMachine {
	t.Helper()
	answer, err := client.Discovery().RESTClient().Post().
		AbsPath("apis", v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "namespaces", a.namespace, "scheduledmachines").
		Param("fieldValidation", metav1.FieldValidationIgnore).SetHeader("Content-Type", "application/json").
		Body([]byte(row.document(t, a.namespace, name))).Do(t.Context()).Raw()
	if err != nil {
		if row.refused == "" {
			t.Errorf("refused, and is harmless: %.500s", said(err, answer))
		} else if !strings.Contains(said(err, answer), row.refused) {
			t.Errorf("refused, but not for %s: %.1000s", row.refused, said(err, answer))
		}
		return nil
	}
	sm, object := &v1alpha1.ScheduledMachine{}, map[string]any{}
	if err := errors.Join(json.Unmarshal(answer, sm), json.Unmarshal(answer, &object)); err != nil {
		t.Fatal(err)
	}
	if row.stored != nil && !row.stored(object) {
		t.Errorf("stored: %.2000s", answer)
	}
	return sm
}

// said is all that the API server says to a manifest.
func said(err error, answer []byte) string {
	text := err.Error() + " " + string(answer)
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			text += " " + cause.Field + ": " + cause.Message
		}
	}
	return text
}

// judge looks at what the manager makes of an object that the API server has taken.
func (a *arena) judge(t *testing.T, row attack, sm *v1alpha1.ScheduledMachine) {
	t.Helper()
	g := NewWithT(t)
	g.Eventually(func() int64 { return a.read(sm).Status.ObservedGeneration }).Should(BeNumerically(">=", sm.Generation), "the manager looks at it")
	if row.refused == "" {
		g.Expect(a.read(sm).Status.Phase).NotTo(BeElementOf(v1alpha1.PhaseError, v1alpha1.Phase("")))
	} else {
		g.Eventually(func() []string { return complaints(a.read(sm)) }).Should(ContainElement(ContainSubstring(row.refused)))
	}
	for _, text := range texts(a.read(sm).Status) {
		if flaw := flawOf(text); flaw != "" {
			t.Errorf("the status has a text that %s: %.200q", flaw, text)
		}
	}
}

func (a *arena) read(sm *v1alpha1.ScheduledMachine) *v1alpha1.ScheduledMachine {
	a.Helper()
	now := &v1alpha1.ScheduledMachine{}
	a.Expect(world.Client.Get(a.Context(), ctrlclient.ObjectKeyFromObject(sm), now)).To(Succeed())
	return now
}

// complaints are what the conditions say that are not as they should be.
func complaints(sm *v1alpha1.ScheduledMachine) []string {
	var found []string
	for _, condition := range sm.Status.Conditions {
		if condition.Status != metav1.ConditionTrue {
			found = append(found, condition.Message)
		}
	}
	return found
}

// texts are all texts in a status.
func texts(status v1alpha1.ScheduledMachineStatus) []string {
	encoded, err := json.Marshal(status)
	if err != nil {
		return []string{err.Error()}
	}
	var value any
	if err := json.Unmarshal(encoded, &value); err != nil {
		return []string{err.Error()}
	}
	var all []string
	var collect func(any)
	collect = func(value any) {
		switch value := value.(type) {
		case string:
			all = append(all, value)
		case []any:
			for _, item := range value {
				collect(item)
			}
		case map[string]any:
			for key, item := range value {
				all = append(all, key)
				collect(item)
			}
		}
	}
	collect(value)
	return all
}

// flawOf is why a text must not be shown to people; empty when it may.
func flawOf(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "is not UTF-8"
	case utf8.RuneCountInString(text) > longest:
		return fmt.Sprintf("has %d characters", utf8.RuneCountInString(text))
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "has a character that cannot be printed"
	}
	return ""
}

func (a *arena) expectPlainEvents() {
	a.Helper()
	list := &eventsv1.EventList{}
	a.Expect(world.Client.List(a.Context(), list, ctrlclient.InNamespace(a.namespace))).To(Succeed())
	a.Expect(list.Items).NotTo(BeEmpty())
	for i := range list.Items {
		if flaw := flawOf(list.Items[i].Note); flaw != "" {
			a.Errorf("an event %s: %.200q", flaw, list.Items[i].Note)
		}
	}
}

// expectPlainMetrics looks for anything in a label that is no word of the program's own,
// nor a name.
func (a *arena) expectPlainMetrics() {
	a.Helper()
	for _, registry := range []prometheus.Gatherer{a.registry, ctrlmetrics.Registry} {
		families, err := registry.Gather()
		a.Expect(err).NotTo(HaveOccurred())
		a.Expect(families).NotTo(BeEmpty())
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				for _, label := range metric.GetLabel() {
					a.Expect(label.GetValue()).To(MatchRegexp(`^[A-Za-z0-9._:/ -]{0,253}$`), "label %s of %s", label.GetName(), family.GetName())
				}
				if family.GetName() == "controller_runtime_reconcile_panics_total" {
					a.Expect(metric.GetCounter().GetValue()).To(BeZero(), "the manager panicked")
				}
			}
		}
	}
}

// expectPlainLog looks for lines that are none, or that a terminal would obey.
func (a *arena) expectPlainLog() {
	a.Helper()
	lines := bytes.Split(a.log.Contents(), []byte("\n"))
	a.Expect(len(lines)).To(BeNumerically(">", len(attacks())))
	for _, line := range lines {
		if bytes.ContainsFunc(line, unicode.IsControl) {
			a.Errorf("a line with a control character: %.300q", line)
		}
		if len(line) > 64<<10 {
			a.Errorf("a line of %d bytes: %.300q", len(line), line)
		}
		if bytes.Contains(line, []byte("panic")) {
			a.Errorf("the manager panicked: %.3000s", line)
		}
	}
}

func TestTextsThatPeopleMustNotSeeAreFound(t *testing.T) {
	t.Parallel()
	for text, flawed := range map[string]bool{
		"plain": false, "soft\u00adhyphen": true, "a\x1b[2J": true, "a\nb": true, "\u202e": true, strings.Repeat("ü", longest): false, strings.Repeat("ü", longest+1): true, "\xff": true,
	} {
		if (flawOf(text) != "") != flawed {
			t.Errorf("%q: %q", text, flawOf(text))
		}
	}
}
