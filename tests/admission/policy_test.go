package admission_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilversion "k8s.io/apimachinery/pkg/util/version"
	apiadmission "k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/finos/five-spot/pkg/admission"
)

// The oldest server that has policies, and the newest that was looked at. A policy must
// mean the same to both.
const (
	oldest = "1.30"
	newest = "1.36"
)

// created is when an API server stamps the objects of the table.
const created = "2026-11-23T08:00:00Z"

// may is an authorizer that grants what it says yes to.
type may func(authorizer.Attributes) bool

func (m may) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if m(a) {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionDeny, "", nil
}

func everything(authorizer.Attributes) bool { return true }

func nothing(authorizer.Attributes) bool { return false }

// policySet are policies as an API server of one version has them, without the server.
type policySet struct {
	validators []validating.Validator
	specs      []*admissionregistrationv1.ValidatingAdmissionPolicySpec
}

// newPolicySet compiles policies. Those that do not compile refuse everything, as on a
// server.
func newPolicySet(version string, policies ...*admissionregistrationv1.ValidatingAdmissionPolicy) (*policySet, error) {
	set := &policySet{}
	for _, policy := range policies {
		compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(utilversion.MustParseGeneric(version)))
		if err != nil {
			return nil, fmt.Errorf("no compiler for %s: %w", version, err)
		}
		set.validators = append(set.validators, validator(compiler, policy))
		set.specs = append(set.specs, &policy.Spec)
	}
	return set, nil
}

// validator compiles one policy as the API server's plugin does.
func validator(compiler *plugincel.CompositedCompiler, policy *admissionregistrationv1.ValidatingAdmissionPolicy) validating.Validator {
	withAuthorizer := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	var variables []plugincel.NamedExpressionAccessor
	for _, variable := range policy.Spec.Variables {
		variables = append(variables, &validating.Variable{Name: variable.Name, Expression: variable.Expression})
	}
	compiler.CompileAndStoreVariables(variables, withAuthorizer, environment.NewExpressions)
	var asked, audited []plugincel.ExpressionAccessor
	for i := range policy.Spec.MatchConditions {
		asked = append(asked, (*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i]))
	}
	for _, annotation := range policy.Spec.AuditAnnotations {
		audited = append(audited, &validating.AuditAnnotationCondition{Key: annotation.Key, ValueExpression: annotation.ValueExpression})
	}
	judged := make([]plugincel.ExpressionAccessor, len(policy.Spec.Validations))
	said := make([]plugincel.ExpressionAccessor, len(policy.Spec.Validations))
	for i, validation := range policy.Spec.Validations {
		judged[i] = &validating.ValidationCondition{Expression: validation.Expression, Message: validation.Message, Reason: validation.Reason}
		if validation.MessageExpression != "" {
			said[i] = &validating.MessageExpressionCondition{MessageExpression: validation.MessageExpression}
		}
	}
	var matcher matchconditions.Matcher
	if len(asked) > 0 {
		conditions := compiler.CompileCondition(asked, withAuthorizer, environment.NewExpressions)
		matcher = matchconditions.NewMatcher(conditions, policy.Spec.FailurePolicy, "policy", "validate", policy.Name)
	}
	return validating.NewValidator(
		compiler.CompileCondition(judged, withAuthorizer, environment.NewExpressions),
		matcher,
		compiler.CompileCondition(audited, withAuthorizer, environment.NewExpressions),
		compiler.CompileCondition(said, plugincel.OptionalVariableDeclarations{}, environment.NewExpressions),
		policy.Spec.FailurePolicy, nil)
}

// write is a request to an API server.
type write struct {
	// object is what it would store, and before what is stored; nil for a creation.
	object, before map[string]any

	// user makes it, who has the rights that allows says yes to; everything without.
	user   string
	allows may
}

// attributes are the request as the plugin sees it.
func (w write) attributes() *apiadmission.VersionedAttributes {
	object := &unstructured.Unstructured{Object: w.object}
	operation, options := apiadmission.Create, runtime.Object(&metav1.CreateOptions{})
	var before runtime.Object
	if w.before != nil {
		operation, options = apiadmission.Update, &metav1.UpdateOptions{}
		before = &unstructured.Unstructured{Object: w.before}
	}
	kind := object.GroupVersionKind()
	resource := schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: strings.ToLower(kind.Kind) + "s"}
	record := apiadmission.NewAttributesRecord(object, before, kind, object.GetNamespace(), object.GetName(), resource, "",
		operation, options, false, &user.DefaultInfo{Name: w.user})
	return &apiadmission.VersionedAttributes{Attributes: record, VersionedKind: kind, VersionedObject: object, VersionedOldObject: before}
}

// concerns is whether the rules of a policy name the resource of the request.
func concerns(spec *admissionregistrationv1.ValidatingAdmissionPolicySpec, attributes apiadmission.Attributes) bool {
	return slices.ContainsFunc(spec.MatchConstraints.ResourceRules, func(rule admissionregistrationv1.NamedRuleWithOperations) bool {
		return slices.Contains(rule.APIGroups, attributes.GetResource().Group) && slices.Contains(rule.Resources, attributes.GetResource().Resource) &&
			slices.Contains(rule.Operations, admissionregistrationv1.OperationType(attributes.GetOperation()))
	})
}

// decide is the answer of every policy that the request concerns.
func (s *policySet) decide(ctx context.Context, w write) (refusals []validating.PolicyDecision, audit []validating.PolicyAuditAnnotation) {
	allows := w.allows
	if allows == nil {
		allows = everything
	}
	attributes := w.attributes()
	for i, validator := range s.validators {
		if !concerns(s.specs[i], attributes) {
			continue
		}
		result := validator.Validate(ctx, attributes.GetResource(), attributes, nil, nil, celconfig.RuntimeCELCostBudget, allows)
		for _, decision := range result.Decisions {
			if decision.Action == validating.ActionDeny {
				refusals = append(refusals, decision)
			}
		}
		audit = append(audit, result.AuditAnnotations...)
	}
	return refusals, audit
}

// refusalText takes the message of a policy apart.
var refusalText = regexp.MustCompile(`(?s)^(?:.*denied request: )?(spec[^ ]*): (.*)$`)

// byPolicies judges a request by the policies alone.
func (s *policySet) byPolicies(ctx context.Context, w write) []complaint {
	refusals, _ := s.decide(ctx, w)
	list := make([]complaint, len(refusals))
	for i, refusal := range refusals {
		list[i] = policyComplaint(refusal.Message)
	}
	return list
}

func policyComplaint(message string) complaint {
	if parts := refusalText.FindStringSubmatch(message); parts != nil {
		return complaint{field: parts[1], text: parts[2]}
	}
	return complaint{text: message}
}

// rendered are the policies with settings.
func rendered(tb testing.TB, settings admission.Settings) []*admissionregistrationv1.ValidatingAdmissionPolicy {
	tb.Helper()
	policies, err := admission.Render(settings)
	if err != nil {
		tb.Fatalf("render: %v", err)
	}
	list := make([]*admissionregistrationv1.ValidatingAdmissionPolicy, len(policies))
	for i, policy := range policies {
		list[i] = &admissionregistrationv1.ValidatingAdmissionPolicy{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(policy.Policy.Object, list[i], true); err != nil {
			tb.Fatalf("%s: %v", policy.Name, err)
		}
	}
	return list
}

// policiesOf are the policies with these settings on a server of that version.
func policiesOf(tb testing.TB, version string, settings admission.Settings) *policySet {
	tb.Helper()
	set, err := newPolicySet(version, rendered(tb, settings)...)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

var (
	defaultOnce sync.Once
	defaultSet  *policySet
)

// defaultPolicies are those of a manager without flags, on the oldest server.
func defaultPolicies(tb testing.TB) *policySet {
	tb.Helper()
	defaultOnce.Do(func() { defaultSet = policiesOf(tb, oldest, admission.Defaults()) })
	return defaultSet
}

// stamped is the object with what an API server gives it: a time, and the namespace of the
// request.
func stamped(object map[string]any) map[string]any {
	stamped := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(object)}
	if err := unstructured.SetNestedField(stamped.Object, created, "metadata", "creationTimestamp"); err != nil {
		panic(err)
	}
	if stamped.GetKind() == "ScheduledMachine" {
		stamped.SetNamespace("default")
	}
	return stamped.Object
}

// byPolicy judges an object by the policies of a manager without flags, when the CRD has
// let it through.
func byPolicy(tb testing.TB, object, before map[string]any) []complaint {
	tb.Helper()
	w := write{object: stamped(object), user: "admin"}
	if before != nil {
		w.before = stamped(before)
	}
	return defaultPolicies(tb).byPolicies(tb.Context(), w)
}
