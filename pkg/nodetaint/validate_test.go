package nodetaint

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	taint := func(key, value string, effect corev1.TaintEffect) []v1alpha1.NodeTaint {
		return []v1alpha1.NodeTaint{{Key: key, Value: value, Effect: effect}}
	}
	many := make([]v1alpha1.NodeTaint, 51)
	for i := range many {
		many[i] = v1alpha1.NodeTaint{Key: "k" + strings.Repeat("k", i), Effect: corev1.TaintEffectNoExecute}
	}
	for name, c := range map[string]struct {
		taints []v1alpha1.NodeTaint
		want   string // the field at fault, and a word of the rule
	}{
		"no taints":                     {nil, ""},
		"a plain key":                   {taint("workstation", "", corev1.TaintEffectNoSchedule), ""},
		"a key with a domain":           {taint("example.com/workstation", "true", corev1.TaintEffectPreferNoSchedule), ""},
		"fifty taints":                  {many[:50], ""},
		"one key with two effects":      {append(taint("a", "", corev1.TaintEffectNoSchedule), taint("a", "", corev1.TaintEffectNoExecute)...), ""},
		"a domain that only ends alike": {taint("notkubernetes.io/x", "", corev1.TaintEffectNoSchedule), ""},

		"too many":                   {many, "spec.nodeTaints: at most 50"},
		"the same twice":             {append(taint("a", "x", corev1.TaintEffectNoSchedule), taint("a", "y", corev1.TaintEffectNoSchedule)...), "spec.nodeTaints[1]: a:NoSchedule"},
		"our own domain":             {taint("5spot.finos.org/x", "", corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].key: must not begin with"},
		"kubernetes.io":              {taint("kubernetes.io/x", "", corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].key: must not begin with"},
		"node.kubernetes.io":         {taint("node.kubernetes.io/unschedulable", "", corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].key: must not begin with"},
		"node-role.kubernetes.io":    {taint("node-role.kubernetes.io/control-plane", "", corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].key: must not begin with"},
		"a reserved one in capitals": {taint("Node.Kubernetes.io/x", "", corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].key: must not begin with"},
		"no key":                     {taint("", "", corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].key: non-empty"},
		"a malformed key":            {taint("a b", "", corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].key: alphanumeric"},
		"an absurdly long key":       {taint(long, "", corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].key: 63"},
		"a malformed value":          {taint("a", "b c", corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].value: alphanumeric"},
		"a value that is too long":   {taint("a", long, corev1.TaintEffectNoSchedule), "spec.nodeTaints[0].value: 63"},
		"no effect":                  {taint("a", "", ""), "spec.nodeTaints[0].effect: NoExecute"},
		"an unknown effect":          {taint("a", "", corev1.TaintEffect(long)), "spec.nodeTaints[0].effect: PreferNoSchedule"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs := Validate(c.taints, field.NewPath("spec", "nodeTaints"))
			if c.want == "" {
				if len(errs) > 0 {
					t.Errorf("refused: %v", errs)
				}
				return
			}
			path, rule, _ := strings.Cut(c.want, ": ")
			if len(errs) == 0 || errs[0].Field != path || !strings.Contains(errs[0].Error(), rule) {
				t.Errorf("got %v, want %s: … %s …", errs, path, rule)
			}
			for _, err := range errs {
				if len(err.Error()) > 500 {
					t.Errorf("the error has %d characters", len(err.Error()))
				}
			}
		})
	}
}
