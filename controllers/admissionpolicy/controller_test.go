package admissionpolicy

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/controllers/onepass"
	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/metrics"
	"github.com/finos/five-spot/pkg/operand"
)

// bench is a Reconciler over a fake API server.
type bench struct {
	*WithT
	t       *testing.T
	client  client.Client
	reports map[string]metrics.PolicyState
	err     error // what every write ends with
	during  func() error
	writes  int
}

func newBench(t *testing.T, served bool) *bench {
	t.Helper()
	b := &bench{WithT: NewWithT(t), t: t, reports: map[string]metrics.PolicyState{}}
	scheme := runtime.NewScheme()
	b.Expect(admissionregistrationv1.AddToScheme(scheme)).To(Succeed())
	b.Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{admissionregistrationv1.SchemeGroupVersion, apiextensionsv1.SchemeGroupVersion})
	mapper.Add(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"), meta.RESTScopeRoot)
	if served {
		mapper.Add(admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicy"), meta.RESTScopeRoot)
		mapper.Add(admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicyBinding"), meta.RESTScopeRoot)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: operand.OwnerCRD, UID: "crd"}}
	b.client = fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(crd).WithInterceptorFuncs(interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			b.writes++
			if b.during != nil {
				return b.during()
			}
			if b.err != nil {
				return b.err
			}
			return c.Apply(ctx, object, options...)
		},
	}).Build()
	return b
}

func (b *bench) reconcile(settings admission.Settings) (ctrl.Result, error) {
	b.t.Helper()
	return b.reconciler(settings).Reconcile(b.t.Context(), everything)
}

func (b *bench) reconciler(settings admission.Settings) *Reconciler {
	b.t.Helper()
	policies, err := admission.Render(settings)
	b.Expect(err).NotTo(HaveOccurred())
	return New(Options{
		Client: b.client, Live: b.client, Policies: policies, Version: "v1.0.0",
		Report: func(_ context.Context, policy string, state metrics.PolicyState, message string) {
			b.Expect(message).To(ContainSubstring(policy))
			b.reports[policy] = state
		},
	})
}

func all(state metrics.PolicyState) map[string]metrics.PolicyState {
	states := map[string]metrics.PolicyState{}
	for _, name := range admission.Names() {
		states[name] = state
	}
	return states
}

func TestAServerWithoutPoliciesIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	result, err := b.reconcile(admission.Defaults())
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(result.RequeueAfter).To(Equal(onepass.RetryAfter), "it may be upgraded")
	b.Expect(b.reports).To(Equal(all(metrics.PolicyUnsupported)))
	b.Expect(b.writes).To(BeZero())
}

// It is watched by nobody, and with each failure more time would pass before the next look.
func TestThePoliciesComeBackSoonAfterTheCRDThatOwnsThem(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: operand.OwnerCRD}}
	b.Expect(b.client.Delete(t.Context(), crd.DeepCopy())).To(Succeed())
	result, err := b.reconcile(admission.Defaults())
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(result.RequeueAfter).To(Equal(onepass.RetryAfter))
	b.Expect(b.reports).To(Equal(all(metrics.PolicyFailed)))
	b.Expect(b.client.Create(t.Context(), crd)).To(Succeed())
	result, err = b.reconcile(admission.Defaults())
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(result).To(BeZero())
	b.Expect(b.reports).To(Equal(all(metrics.PolicyInstalled)))
}

func TestNothingIsPolledWhenAllIsInstalled(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	for range 2 {
		result, err := b.reconcile(admission.Defaults())
		b.Expect(err).NotTo(HaveOccurred())
		b.Expect(result).To(BeZero())
		b.Expect(b.reports).To(Equal(all(metrics.PolicyInstalled)))
	}
	b.Expect(b.writes).To(Equal(6), "the second pass writes nothing")
}

func TestAManagerThatIsBeingStoppedTellsNothingOfThePolicies(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	ctx, cancel := context.WithCancel(t.Context())
	b.during = func() error {
		cancel()
		return ctx.Err()
	}
	_, err := b.reconciler(admission.Defaults()).Reconcile(ctx, everything)
	b.Expect(err).To(MatchError(context.Canceled))
	b.Expect(b.reports).To(BeEmpty())
}

func TestHowAFailureIsTold(t *testing.T) {
	t.Parallel()
	policies := schema.GroupResource{Group: "admissionregistration.k8s.io", Resource: "validatingadmissionpolicies"}
	for name, c := range map[string]struct {
		err   error
		state metrics.PolicyState
		after time.Duration
	}{
		"a missing right needs somebody": {apierrors.NewForbidden(policies, "a", errors.New("no")), metrics.PolicyForbidden, onepass.RetryAfter},
		"a newer object is no failure":   {operand.ErrNewerInstalled, metrics.PolicyNewer, 0},
		"one that goes is not polled":    {operand.ErrBeingDeleted, metrics.PolicyFailed, onepass.RetryAfter},
		"anything else is tried again":   {apierrors.NewInternalError(errors.New("no")), metrics.PolicyFailed, -1},
		"a conflict is not worth a word": {apierrors.NewConflict(policies, "a", errors.New("no")), "", -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, true)
			b.err = c.err
			result, err := b.reconcile(admission.Defaults())
			if c.after < 0 {
				b.Expect(err).To(MatchError(c.err))
			} else {
				b.Expect(err).NotTo(HaveOccurred())
				b.Expect(result.RequeueAfter).To(Equal(c.after))
			}
			if c.state == "" {
				b.Expect(b.reports).To(BeEmpty())
			} else {
				b.Expect(b.reports).To(Equal(all(c.state)))
			}
		})
	}
}
