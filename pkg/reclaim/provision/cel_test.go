package provision

import (
	"context"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilversion "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	// What one evaluation may cost, over all expressions, and what match conditions may.
	budget           = 10000000
	conditionsBudget = 2500000

	agentUser = "system:serviceaccount:5spot-agent:five-spot-reclaim-agent"
)

// allowing grants everything.
type allowing struct{}

func (allowing) Authorize(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
	return authorizer.DecisionAllow, "", nil
}

func thePolicy(t *testing.T) *admissionregistrationv1.ValidatingAdmissionPolicy {
	t.Helper()
	g := NewWithT(t)
	rendered, err := New(Options{}).render(NamespaceBesideManager, false)
	g.Expect(err).NotTo(HaveOccurred())
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{}
	g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(rendered.policy[0].Object, policy, true)).To(Succeed())
	return policy
}

// compiled are the parts of the policy as the API server of a version compiles them.
func compiled(t *testing.T, version string) (conditions, validations, messages plugincel.ConditionEvaluator) {
	t.Helper()
	g := NewWithT(t)
	policy := thePolicy(t)
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(utilversion.MustParseGeneric(version)))
	g.Expect(err).NotTo(HaveOccurred())
	declared := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	for _, variable := range policy.Spec.Variables {
		accessor := &validating.Variable{Name: variable.Name, Expression: variable.Expression}
		g.Expect(compiler.CompileAndStoreVariable(accessor, declared, environment.NewExpressions).Error).ToNot(HaveOccurred(), variable.Name)
	}
	var asked, judged, said []plugincel.ExpressionAccessor
	for i := range policy.Spec.MatchConditions {
		asked = append(asked, (*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i]))
	}
	for _, validation := range policy.Spec.Validations {
		judged = append(judged, &validating.ValidationCondition{Expression: validation.Expression})
		if validation.MessageExpression != "" {
			said = append(said, &validating.MessageExpressionCondition{MessageExpression: validation.MessageExpression})
		}
	}
	conditions = compiler.CompileCondition(asked, declared, environment.NewExpressions)
	validations = compiler.CompileCondition(judged, declared, environment.NewExpressions)
	messages = compiler.CompileCondition(said, plugincel.OptionalVariableDeclarations{}, environment.NewExpressions)
	for _, evaluator := range []plugincel.ConditionEvaluator{conditions, validations, messages} {
		g.Expect(evaluator.CompilationErrors()).To(BeEmpty())
	}
	return conditions, validations, messages
}

// crowded is a Node with as many annotations and labels as it may have: 256 KiB of the
// former.
func crowded() *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "desk", Labels: map[string]string{}, Annotations: map[string]string{}}}
	for i := range 700 {
		node.Annotations[fmt.Sprintf("%s.example/%063d", strings.Repeat("a", 240), i)] = strings.Repeat("b", 60)
		node.Labels[fmt.Sprintf("%s.example/%063d", strings.Repeat("a", 240), i)] = strings.Repeat("b", 60)
	}
	return node
}

func TestThePolicyIsWithinItsBudgetOnTheOldestAndTheNewestServer(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.30", "1.36"} {
		for _, name := range []string{agentUser, "system:node:desk"} {
			t.Run(version+" "+name, func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)
				conditions, validations, messages := compiled(t, version)
				before := crowded()
				after := before.DeepCopy()
				after.Annotations[v1alpha1.ReclaimRequestedAnnotation] = "true"
				attributes, request := updateBy(name, before, after)
				bindings := plugincel.OptionalVariableBindings{Authorizer: allowing{}}

				results, left, err := conditions.ForInput(t.Context(), attributes, request, bindings, nil, conditionsBudget)
				all(g, results, err)
				t.Logf("match conditions: %d", conditionsBudget-left)

				results, left, err = validations.ForInput(t.Context(), attributes, request, bindings, nil, budget)
				all(g, results, err)
				t.Logf("validations: %d", budget-left)
				g.Expect(left).To(BeNumerically(">", budget/2))

				_, _, err = messages.ForInput(t.Context(), attributes, request, plugincel.OptionalVariableBindings{}, nil, left)
				g.Expect(err).NotTo(HaveOccurred())
			})
		}
	}
}

// all is that every expression is true, and that none was too expensive.
func all(g *WithT, results []plugincel.EvaluationResult, err error) {
	g.Expect(err).NotTo(HaveOccurred())
	for _, result := range results {
		g.Expect(result.Error).NotTo(HaveOccurred())
		g.Expect(result.EvalResult.Value()).To(BeTrue(), result.ExpressionAccessor.GetExpression())
	}
}

func TestAnAgentCannotUnsayARequest(t *testing.T) {
	t.Parallel()
	const asked = v1alpha1.ReclaimRequestedAnnotation
	for name, test := range map[string]struct {
		before, after map[string]string
		allowed       bool
	}{
		"it asks":                               {nil, map[string]string{asked: "true"}, true},
		"it asks again with another reason":     {map[string]string{asked: "true"}, map[string]string{asked: "true", v1alpha1.ReclaimReasonAnnotation: "x"}, true},
		"it asks where somebody has said false": {map[string]string{asked: "false"}, map[string]string{asked: "true"}, true},
		"it leaves what somebody else has said": {map[string]string{asked: "false"}, map[string]string{asked: "false", v1alpha1.ReclaimReasonAnnotation: "x"}, true},
		"it empties the request":                {map[string]string{asked: "true"}, map[string]string{asked: ""}, false},
		"it says false":                         {map[string]string{asked: "true"}, map[string]string{asked: "false"}, false},
		"it says what counts for nothing":       {nil, map[string]string{asked: "yes"}, false},
		"it takes the request away":             {map[string]string{asked: "true"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			_, validations, _ := compiled(t, "1.30")
			before := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "desk", Annotations: test.before}}
			after := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "desk", Annotations: test.after}}
			attributes, request := updateBy(agentUser, before, after)
			results, _, err := validations.ForInput(t.Context(), attributes, request, plugincel.OptionalVariableBindings{Authorizer: allowing{}}, nil, budget)
			g.Expect(err).NotTo(HaveOccurred())
			allowed := true
			for _, result := range results {
				g.Expect(result.Error).NotTo(HaveOccurred())
				allowed = allowed && result.EvalResult.Value() == true
			}
			g.Expect(allowed).To(Equal(test.allowed))
		})
	}
}

func updateBy(name string, before, after *corev1.Node) (*admission.VersionedAttributes, *admissionv1.AdmissionRequest) {
	node := corev1.SchemeGroupVersion.WithKind("Node")
	nodes := corev1.SchemeGroupVersion.WithResource("nodes")
	extra := map[string][]string{"authentication.kubernetes.io/node-name": {after.Name}}
	attributes := admission.NewAttributesRecord(after, before, node, "", after.Name, nodes, "", admission.Update, nil, false, &user.DefaultInfo{Name: name, Extra: extra})
	request := plugincel.CreateAdmissionRequest(attributes, metav1.GroupVersionResource(nodes), metav1.GroupVersionKind(node))
	request.UserInfo.Extra = map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/node-name": {after.Name}}
	return &admission.VersionedAttributes{Attributes: attributes, VersionedObject: after, VersionedOldObject: before, VersionedKind: node}, request
}

func TestThePolicyIsAboutTheAgentOfItsNamespace(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	policy := thePolicy(t)
	g.Expect(policy.Spec.MatchConditions[0].Expression).To(ContainSubstring("'" + agentUser + "'"))
	g.Expect(policy.Spec.Variables[0].Expression).To(ContainSubstring("'" + agentUser + "'"))
	g.Expect(fmt.Sprint(policy.Spec)).NotTo(ContainSubstring(DefaultNamespace + ":"))
}
