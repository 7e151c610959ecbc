package admission_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilversion "k8s.io/apimachinery/pkg/util/version"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/finos/five-spot/pkg/admission"
)

// evaluators are the expressions of a policy as a server of that version compiles them.
type evaluators struct{ conditions, validations, messages, audit plugincel.ConditionEvaluator }

// compiled fails for every expression that does not compile, messages included: the API
// server does without a message that does not.
func compiled(t *testing.T, version string, policy *admissionregistrationv1.ValidatingAdmissionPolicy) evaluators {
	t.Helper()
	g := NewWithT(t)
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(utilversion.MustParseGeneric(version)))
	g.Expect(err).NotTo(HaveOccurred())
	withAuthorizer := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	for _, variable := range policy.Spec.Variables {
		result := compiler.CompileAndStoreVariable(&validating.Variable{Name: variable.Name, Expression: variable.Expression}, withAuthorizer, environment.NewExpressions)
		g.Expect(result.Error).ToNot(HaveOccurred(), "%s: variable %s", policy.Name, variable.Name)
	}
	var asked, judged, said, audited []plugincel.ExpressionAccessor
	for i := range policy.Spec.MatchConditions {
		asked = append(asked, (*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i]))
	}
	for _, validation := range policy.Spec.Validations {
		judged = append(judged, &validating.ValidationCondition{Expression: validation.Expression})
		if validation.MessageExpression != "" {
			said = append(said, &validating.MessageExpressionCondition{MessageExpression: validation.MessageExpression})
		}
	}
	for _, annotation := range policy.Spec.AuditAnnotations {
		audited = append(audited, &validating.AuditAnnotationCondition{Key: annotation.Key, ValueExpression: annotation.ValueExpression})
	}
	e := evaluators{
		conditions:  compiler.CompileCondition(asked, withAuthorizer, environment.NewExpressions),
		validations: compiler.CompileCondition(judged, withAuthorizer, environment.NewExpressions),
		messages:    compiler.CompileCondition(said, plugincel.OptionalVariableDeclarations{}, environment.NewExpressions),
		audit:       compiler.CompileCondition(audited, withAuthorizer, environment.NewExpressions),
	}
	for _, evaluator := range []plugincel.ConditionEvaluator{e.conditions, e.validations, e.messages, e.audit} {
		g.Expect(evaluator.CompilationErrors()).To(BeEmpty(), policy.Name)
	}
	return e
}

// greatest is a ScheduledMachine with every list and every string at its bound. Where
// wrong is set, every key is one that the policies refuse.
func greatest(t *testing.T, wrong bool) map[string]any {
	t.Helper()
	object := patched(t, machineObject, form(fmt.Sprintf("cron: %q, duration: 000000000000024h, timezone: Europe/London", strings.Repeat("0", 200)+" * * * *")))
	day := map[string]any{"from": "2026-12-24", "to": "2026-12-24", "state": "Active", "reason": strings.Repeat("ü", 256)}
	window := map[string]any{"days": several(7, strings.Repeat("mon,", 15)+"mon"), "start": "08:00", "end": "18:00"}
	keys := func(n int) map[string]any {
		entries := map[string]any{}
		for i := range 64 {
			domain := dns(253)
			if wrong {
				domain = dns(253-len(".kubernetes.io")) + ".kubernetes.io"
			}
			entries[fmt.Sprintf("%s/%063d", domain, i)] = strings.Repeat("x", n)
		}
		return entries
	}
	set(several(100, day), "schedule", "exceptions")(object)
	set(several(50, window), "schedule", "windows")(object)
	set(several(7, strings.Repeat("mon,", 15)+"mon"), "schedule", "daysOfWeek")(object)
	set(several(24, strings.Repeat("22,", 42)+"22"), "schedule", "hoursOfDay")(object)
	set(map[string]any{"state": "Active", "until": "2026-12-24T18:00:00.123456789+05:30", "reason": strings.Repeat("ü", 256)}, "schedule", "override")(object)
	taints := several(50, map[string]any{"effect": "NoSchedule", "value": strings.Repeat("v", 63)})
	for i := range taints {
		taints[i].(map[string]any)["key"] = fmt.Sprintf("%s/%063d", dns(253), i)
	}
	set(taints, "nodeTaints")(object)
	set(several(100, strings.Repeat("ü", 256)), "killIfCommands")(object)
	set(keys(63), "machineTemplate", "labels")(object)
	set(keys(4096-320), "machineTemplate", "annotations")(object)
	secret := map[string]any{"name": strings.Repeat("s", 253), "key": strings.Repeat("k", 253)}
	for _, block := range []string{"bootstrapSpec", "infrastructureSpec"} {
		set(secret, block, "secretRef")(object)
		set(numbered(256, strings.Repeat("x", 4096)), block, "spec")(object)
	}
	return object
}

func TestEveryPolicyIsWithinItsBudget(t *testing.T) {
	t.Parallel()
	settings := admission.Defaults()
	settings.AllowedProviderGroups = nil
	for i := range 16 {
		settings.AllowedProviderGroups = append(settings.AllowedProviderGroups, fmt.Sprintf("%s%d", dns(250), i))
	}
	settings.AllowedProviderGroups = append(settings.AllowedProviderGroups, admission.Defaults().AllowedProviderGroups...)
	for _, version := range []string{oldest, newest} {
		for _, policy := range rendered(t, settings) {
			for name, w := range requestsOfTheGreatest(t, policy.Name) {
				t.Run(version+" "+policy.Name+" "+name, func(t *testing.T) {
					t.Parallel()
					g := NewWithT(t)
					e := compiled(t, version, policy)
					attributes := w.attributes()
					request := plugincel.CreateAdmissionRequest(attributes.Attributes, metav1.GroupVersionResource(attributes.GetResource()), metav1.GroupVersionKind(attributes.VersionedKind))
					bindings := plugincel.OptionalVariableBindings{Authorizer: may(everything)}

					results, left, err := e.conditions.ForInput(t.Context(), attributes, request, bindings, nil, celconfig.RuntimeCELCostBudgetMatchConditions)
					withoutError(g, results, err)
					conditions := celconfig.RuntimeCELCostBudgetMatchConditions - left
					results, left, err = e.validations.ForInput(t.Context(), attributes, request, bindings, nil, celconfig.RuntimeCELCostBudget)
					withoutError(g, results, err)
					_, rest, err := e.messages.ForInput(t.Context(), attributes, request, plugincel.OptionalVariableBindings{}, nil, left)
					g.Expect(err).NotTo(HaveOccurred(), "messages")
					results, _, err = e.audit.ForInput(t.Context(), attributes, request, plugincel.OptionalVariableBindings{}, nil, celconfig.RuntimeCELCostBudget)
					withoutError(g, results, err)

					t.Logf("conditions %d, validations %d, messages %d", conditions, celconfig.RuntimeCELCostBudget-left, left-rest)
					g.Expect(rest).To(BeNumerically(">", celconfig.RuntimeCELCostBudget/2), "less than half of the budget is used")
				})
			}
		}
	}
}

// requestsOfTheGreatest are the costliest requests that a policy can be asked about.
func requestsOfTheGreatest(t *testing.T, policy string) map[string]write {
	t.Helper()
	if policy == admission.CRDGuard {
		crd := map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{
			"name": "scheduledmachines.5spot.finos.org", "annotations": numbered(64, strings.Repeat("x", 4096)),
		}}
		return map[string]write{"a deletion": {object: crd, before: crd, user: "admin"}}
	}
	before := stamped(patched(t, machineObject, `{spec: {clusterName: risk}}`))
	return map[string]write{
		"a creation":                    {object: stamped(greatest(t, false)), user: "admin"},
		"a creation of reserved keys":   {object: stamped(greatest(t, true)), user: "admin"},
		"an update of everything":       {object: stamped(greatest(t, false)), before: before, user: "admin"},
		"an update of reserved keys":    {object: stamped(greatest(t, true)), before: stamped(greatest(t, false)), user: "admin"},
		"an update that changes little": {object: stamped(greatest(t, false)), before: stamped(greatest(t, false)), user: "admin"},
	}
}

func withoutError(g *WithT, results []plugincel.EvaluationResult, err error) {
	g.Expect(err).NotTo(HaveOccurred())
	for _, result := range results {
		g.Expect(result.Error).NotTo(HaveOccurred())
	}
}
