package nodetaint

import (
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	// maxTaints bounds spec.nodeTaints.
	maxTaints = 50

	// maxQuoted bounds what an error quotes of a value, in characters.
	maxQuoted = 64
)

// reservedPrefixes of taint keys belong to 5-Spot, Kubernetes and its node
// lifecycle.
var reservedPrefixes = []string{v1alpha1.GroupVersion.Group, "kubernetes.io", "node.kubernetes.io", "node-role.kubernetes.io"}

// Validate judges the taints of a spec, whatever admission let through. path is
// the path of the list. Each error names its field and the rule, and quotes at
// most 64 characters of a value.
func Validate(taints []v1alpha1.NodeTaint, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(taints) > maxTaints {
		errs = append(errs, field.TooMany(path, len(taints), maxTaints))
	}
	seen := make(map[identity]bool, len(taints))
	for i, taint := range taints {
		errs = append(errs, validateTaint(taint, path.Index(i))...)
		id := identityOf(taint)
		if seen[id] {
			errs = append(errs, field.Duplicate(path.Index(i), bounded(taint.Key)+":"+bounded(string(taint.Effect))))
		}
		seen[id] = true
	}
	return errs
}

func validateTaint(taint v1alpha1.NodeTaint, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if isReserved(taint.Key) {
		errs = append(errs, field.Invalid(path.Child("key"), bounded(taint.Key),
			"must not begin with one of "+strings.Join(reservedPrefixes, "/, ")+"/"))
	} else {
		errs = append(errs, invalid(path.Child("key"), taint.Key, utilvalidation.IsQualifiedName(taint.Key))...)
	}
	errs = append(errs, invalid(path.Child("value"), taint.Value, utilvalidation.IsValidLabelValue(taint.Value))...)
	effects := []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}
	if !slices.Contains(effects, taint.Effect) {
		errs = append(errs, field.NotSupported(path.Child("effect"), corev1.TaintEffect(bounded(string(taint.Effect))), effects))
	}
	return errs
}

// isReserved is whether taints of that key are for others to put on and take off.
func isReserved(key string) bool {
	prefix, _, found := strings.Cut(key, "/")
	return found && slices.Contains(reservedPrefixes, strings.ToLower(prefix))
}

func invalid(path *field.Path, value string, problems []string) field.ErrorList {
	errs := make(field.ErrorList, 0, len(problems))
	for _, problem := range problems {
		errs = append(errs, field.Invalid(path, bounded(value), problem))
	}
	return errs
}

func bounded(value string) string {
	if utf8.RuneCountInString(value) <= maxQuoted {
		return value
	}
	return string([]rune(value)[:maxQuoted]) + "…"
}
