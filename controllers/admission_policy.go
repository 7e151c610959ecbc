package controllers

import (
	"context"
	"fmt"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/controllers/admissionpolicy"
	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/metrics"
)

// setupAdmissionPolicy has the first instance keep the admission policies, for all.
func setupAdmissionPolicy(mgr ctrl.Manager, opts Options, version string, telemetry *metrics.Metrics) error {
	if !opts.ManageAdmissionPolicy || opts.InstanceID != 0 {
		return nil
	}
	policies, err := admission.Render(opts.Admission)
	if err != nil {
		return fmt.Errorf("failed to render the admission policies: %w", err)
	}
	return admissionpolicy.New(admissionpolicy.Options{
		Clock:    opts.Clock,
		Config:   mgr.GetConfig(),
		Client:   mgr.GetClient(),
		Live:     mgr.GetAPIReader(),
		Policies: policies,
		Version:  version,
		Report:   reportAdmissionPolicy(mgr, opts, telemetry),
	}).SetupWithManager(mgr)
}

// reportAdmissionPolicy says in log, metric and Event how a policy fares, the first and
// the last only when that changes.
func reportAdmissionPolicy(mgr ctrl.Manager, opts Options, telemetry *metrics.Metrics) func(context.Context, string, metrics.PolicyState, string) {
	recorder := mgr.GetEventRecorder("five-spot")
	var mu sync.Mutex
	told := map[string]metrics.PolicyState{}
	return func(ctx context.Context, policy string, state metrics.PolicyState, message string) {
		telemetry.SetAdmissionPolicy(policy, state)
		mu.Lock()
		known := told[policy] == state
		told[policy] = state
		mu.Unlock()
		if known {
			return
		}
		ctrl.LoggerFrom(ctx).Info(message, "policy", policy, "state", state)
		eventType, reason := corev1.EventTypeWarning, "AdmissionPolicyNotInstalled"
		switch state {
		case metrics.PolicyInstalled, metrics.PolicyUnbound:
			eventType, reason = corev1.EventTypeNormal, "AdmissionPolicyInstalled"
		case metrics.PolicyNewer:
			reason = "AdmissionPolicyNewer"
		case metrics.PolicyForbidden, metrics.PolicyUnsupported, metrics.PolicyFailed:
		}
		if self := opts.pod(); self != nil {
			recorder.Eventf(self, aboutPolicy(policy), eventType, reason, "InstallAdmissionPolicy", "%s", message)
		}
	}
}

// aboutPolicy keeps the Events of one policy apart from those of another: without it they
// would be taken for one that comes again and again.
func aboutPolicy(name string) *admissionregistrationv1.ValidatingAdmissionPolicy {
	return &admissionregistrationv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
	}
}
