package machine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

func label(key, value string) func(*v1alpha1.ScheduledMachineSpec) {
	return func(spec *v1alpha1.ScheduledMachineSpec) {
		spec.MachineTemplate = &v1alpha1.MachineTemplate{Labels: map[string]v1alpha1.LabelValue{key: v1alpha1.LabelValue(value)}}
	}
}

func annotation(key, value string) func(*v1alpha1.ScheduledMachineSpec) {
	return func(spec *v1alpha1.ScheduledMachineSpec) {
		spec.MachineTemplate = &v1alpha1.MachineTemplate{Annotations: map[string]v1alpha1.AnnotationValue{key: v1alpha1.AnnotationValue(value)}}
	}
}

func infrastructure(change func(*v1alpha1.ProviderObject)) func(*v1alpha1.ScheduledMachineSpec) {
	return func(spec *v1alpha1.ScheduledMachineSpec) { change(&spec.InfrastructureSpec) }
}

func infrastructureSpec(raw string) func(*v1alpha1.ScheduledMachineSpec) {
	return infrastructure(func(o *v1alpha1.ProviderObject) { o.Spec = &runtime.RawExtension{Raw: []byte(raw)} })
}

// The same keys are refused, whichever of the reserved domains they hang under.
func TestReservedKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key                string
		label, restriction bool // is it allowed as a label; also with AllowNodeRestrictionLabels
		annotation         bool // is it allowed as an annotation
	}{
		{"team", true, true, true},
		{"example.com/team", true, true, true},
		{"notkubernetes.io/team", true, true, true},
		{"my-k8s.io/team", true, true, true},
		{"kubernetes.io.example.com/team", true, true, true},
		{"kubernetes.io/hostname", false, false, false},
		{"kubectl.kubernetes.io/restartedAt", false, false, false},
		{"deep.below.kubernetes.io/x", false, false, false},
		{"k8s.io/x", false, false, false},
		{"sub.k8s.io/x", false, false, false},
		{"x-k8s.io/x", true, true, true},
		{"cluster.x-k8s.io/paused", false, false, false},
		{"cluster.x-k8s.io/cluster-name", false, false, false},
		{"machine.cluster.x-k8s.io/exclude-node-draining", false, false, false},
		{"pre-drain.delete.hook.machine.cluster.x-k8s.io/x", false, false, false},
		{"5spot.finos.org/scheduled-machine", false, false, false},
		{"sub.5spot.finos.org/x", false, false, false},
		{"5spot.finos.org/scheduled-by", false, false, true},
		{"5spot.finos.org/scheduled-by-me", false, false, false},
		{"finos.org/x", true, true, true},

		{"node-role.kubernetes.io/desktop", true, true, false},
		{"node-role.kubernetes.io/control-plane", false, false, false},
		{"node-role.kubernetes.io/master", false, false, false},
		{"node-role.kubernetes.io/etcd", false, false, false},
		{"node-role.kubernetes.io/Master", false, false, false},
		{"sub.node-role.kubernetes.io/desktop", false, false, false},
		{"node.cluster.x-k8s.io/rack", true, true, false},
		{"sub.node.cluster.x-k8s.io/rack", true, true, false},
		{"supernode.cluster.x-k8s.io/rack", false, false, false},
		{"topology.kubernetes.io/zone", true, true, false},
		{"sub.topology.kubernetes.io/zone", false, false, false},
		{"node-restriction.kubernetes.io/desk", false, true, false},
		{"sub.node-restriction.kubernetes.io/desk", false, true, false},
		{"node.kubernetes.io/instance-type", false, false, false},
	} {
		t.Run(c.key, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []struct {
				name    string
				change  func(*v1alpha1.ScheduledMachineSpec)
				opts    ValidateOptions
				allowed bool
			}{
				{"labels", label(c.key, "x"), ValidateOptions{}, c.label},
				{"labels", label(c.key, "x"), ValidateOptions{AllowNodeRestrictionLabels: true}, c.restriction},
				{"annotations", annotation(c.key, "x"), ValidateOptions{AllowNodeRestrictionLabels: true}, c.annotation},
			} {
				spec := scheduledMachine().Spec
				kind.change(&spec)
				errs := Validate(&spec, kind.opts, field.NewPath("spec"))
				if allowed := len(errs) == 0; allowed != kind.allowed {
					t.Errorf("%s, %+v: allowed = %t, want %t (%v)", kind.name, kind.opts, allowed, kind.allowed, errs)
				}
				for _, err := range errs {
					if err.Field != "spec.machineTemplate."+kind.name || !strings.Contains(err.Error(), c.key) || !strings.Contains(err.Detail, "reserved") {
						t.Errorf("the error names neither field, key nor rule: %v", err)
					}
				}
			}
		})
	}
}

func TestScheduledByIsAcceptedAndDropped(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	annotation("5spot.finos.org/scheduled-by", "five-spot")(&sm.Spec)
	if errs := Validate(&sm.Spec, ValidateOptions{}, field.NewPath("spec")); len(errs) > 0 {
		t.Errorf("refused: %v", errs)
	}
	if _, found := buildMachine(t, sm).Annotations["5spot.finos.org/scheduled-by"]; found {
		t.Error("it is on the Machine")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		change func(*v1alpha1.ScheduledMachineSpec)
		opts   ValidateOptions
		want   string // the fields at fault, and a word of the rule
	}{
		"a plain spec":                     {func(*v1alpha1.ScheduledMachineSpec) {}, ValidateOptions{}, ""},
		"no inline spec":                   {infrastructure(func(o *v1alpha1.ProviderObject) { o.Spec = nil }), ValidateOptions{}, ""},
		"a Cluster with dots and capitals": {func(s *v1alpha1.ScheduledMachineSpec) { s.ClusterName = "Night_1.eu" }, ValidateOptions{}, ""},
		"no Cluster":                       {func(s *v1alpha1.ScheduledMachineSpec) { s.ClusterName = "" }, ValidateOptions{}, "spec.clusterName: must name"},
		"a Cluster that is no label value": {func(s *v1alpha1.ScheduledMachineSpec) { s.ClusterName = long }, ValidateOptions{}, "spec.clusterName: 63"},

		"the kind ClusterRole": {infrastructure(func(o *v1alpha1.ProviderObject) {
			o.APIVersion, o.Kind = "rbac.authorization.k8s.io/v1", "ClusterRole"
		}), ValidateOptions{}, "spec.infrastructureSpec.apiVersion: supported"},
		"a core kind":                     {infrastructure(func(o *v1alpha1.ProviderObject) { o.APIVersion, o.Kind = "v1", "Secret" }), ValidateOptions{}, "spec.infrastructureSpec.apiVersion: group and a version"},
		"a subdomain of an allowed group": {infrastructure(func(o *v1alpha1.ProviderObject) { o.APIVersion = "evil.infrastructure.cluster.x-k8s.io/v1" }), ValidateOptions{}, "spec.infrastructureSpec.apiVersion: supported"},
		"another group that is allowed":   {infrastructure(func(o *v1alpha1.ProviderObject) { o.APIVersion = "hosts.example.com/v1" }), ValidateOptions{AllowedGroups: []string{"bootstrap.cluster.x-k8s.io", "hosts.example.com"}}, ""},
		"a default group that is not":     {func(*v1alpha1.ScheduledMachineSpec) {}, ValidateOptions{AllowedGroups: []string{"bootstrap.cluster.x-k8s.io"}}, "spec.infrastructureSpec.apiVersion: supported"},
		"k0smotron's own group":           {infrastructure(func(o *v1alpha1.ProviderObject) { o.APIVersion = "k0smotron.io/v1beta1" }), ValidateOptions{}, ""},
		"a version that is none":          {infrastructure(func(o *v1alpha1.ProviderObject) { o.APIVersion = "infrastructure.cluster.x-k8s.io/latest" }), ValidateOptions{}, "spec.infrastructureSpec.apiVersion: group and a version"},
		"a shutdown as long as it may be": {func(s *v1alpha1.ScheduledMachineSpec) { s.GracefulShutdownTimeout = "60m" }, ValidateOptions{MaxGracefulShutdownTimeout: time.Hour}, ""},
		"a shutdown that is too long":     {func(s *v1alpha1.ScheduledMachineSpec) { s.GracefulShutdownTimeout = "61m" }, ValidateOptions{MaxGracefulShutdownTimeout: time.Hour}, "spec.gracefulShutdownTimeout: at most 1h0m0s"},
		"a drain that is too long":        {func(s *v1alpha1.ScheduledMachineSpec) { s.NodeDrainTimeout = "601s" }, ValidateOptions{MaxNodeDrainTimeout: 10 * time.Minute}, "spec.nodeDrainTimeout: at most 10m0s"},
		"a default that is too long":      {func(s *v1alpha1.ScheduledMachineSpec) { s.NodeDrainTimeout = "" }, ValidateOptions{MaxNodeDrainTimeout: time.Minute}, "spec.nodeDrainTimeout: at most 1m0s"},
		"too many slashes":                {infrastructure(func(o *v1alpha1.ProviderObject) { o.APIVersion = "a/b/v1" }), ValidateOptions{}, "spec.infrastructureSpec.apiVersion: group and a version"},
		"a kind in lower case":            {infrastructure(func(o *v1alpha1.ProviderObject) { o.Kind = "remotemachine" }), ValidateOptions{}, "spec.infrastructureSpec.kind: capital"},
		"a kind that is too long":         {infrastructure(func(o *v1alpha1.ProviderObject) { o.Kind = "K" + long }), ValidateOptions{}, "spec.infrastructureSpec.kind: 63"},
		"one kind for both": {func(s *v1alpha1.ScheduledMachineSpec) {
			s.InfrastructureSpec = s.BootstrapSpec
		}, ValidateOptions{}, "spec.infrastructureSpec.kind: bootstrapSpec"},
		"a spec that is a list":   {infrastructureSpec(`[]`), ValidateOptions{}, "spec.infrastructureSpec.spec: object"},
		"a spec that is null":     {infrastructureSpec(`null`), ValidateOptions{}, "spec.infrastructureSpec.spec: object"},
		"a spec that is not JSON": {infrastructureSpec(`{`), ValidateOptions{}, "spec.infrastructureSpec.spec: object"},
		"a Secret's name in capitals": {infrastructure(func(o *v1alpha1.ProviderObject) {
			o.SecretRef = &v1alpha1.SecretReference{Name: "SSH"}
		}), ValidateOptions{}, "spec.infrastructureSpec.secretRef.name: lower case"},
		"a Secret's key with a slash": {infrastructure(func(o *v1alpha1.ProviderObject) {
			o.SecretRef = &v1alpha1.SecretReference{Name: "ssh", Key: "a/b"}
		}), ValidateOptions{}, "spec.infrastructureSpec.secretRef.key: alphanumeric"},
		"a Secret's default key": {infrastructure(func(o *v1alpha1.ProviderObject) {
			o.SecretRef = &v1alpha1.SecretReference{Name: "ssh"}
		}), ValidateOptions{}, ""},

		"a label without value":                 {label("example.com/desk", ""), ValidateOptions{}, ""},
		"a label's value with a blank":          {label("example.com/desk", "a b"), ValidateOptions{}, "spec.machineTemplate.labels[example.com/desk]: alphanumeric"},
		"a label's value that is too long":      {label("example.com/desk", long), ValidateOptions{}, "spec.machineTemplate.labels[example.com/desk]: 63"},
		"a label's key that is empty":           {label("", "x"), ValidateOptions{}, "spec.machineTemplate.labels: non-empty"},
		"a label's key with control characters": {label("a\x1b[31m", "x"), ValidateOptions{}, "spec.machineTemplate.labels: alphanumeric"},
		"a label's key that is absurdly long":   {label(long, "x"), ValidateOptions{}, "spec.machineTemplate.labels: 63"},
		"an annotation's key with two slashes":  {annotation("a/b/c", "x"), ValidateOptions{}, "spec.machineTemplate.annotations: optional DNS subdomain prefix"},
		"a reserved domain in capitals":         {annotation("Kubernetes.IO/x", "x"), ValidateOptions{}, "spec.machineTemplate.annotations: reserved"},
		"an annotation's value may be anything": {annotation("example.com/note", "a b\n"), ValidateOptions{}, ""},
		"an annotation that is too long":        {annotation("example.com/note", strings.Repeat("ü", 4097)), ValidateOptions{}, "spec.machineTemplate.annotations[example.com/note]: 4096"},
		"an annotation of the greatest length":  {annotation("example.com/note", strings.Repeat("ü", 4096)), ValidateOptions{}, ""},
		"annotations beyond what an object holds": {func(s *v1alpha1.ScheduledMachineSpec) {
			annotation("example.com/note", "x")(s)
			for i := range 63 {
				s.MachineTemplate.Annotations[fmt.Sprintf("k%d", i)] = v1alpha1.AnnotationValue(strings.Repeat("ü", 4096))
			}
		}, ValidateOptions{}, "spec.machineTemplate.annotations: 262144"},
		"too many labels": {func(s *v1alpha1.ScheduledMachineSpec) {
			label("a", "x")(s)
			for i := range 64 {
				s.MachineTemplate.Labels[fmt.Sprintf("k%d", i)] = "x"
			}
		}, ValidateOptions{}, "spec.machineTemplate.labels: at most 64"},

		"a spec with too many fields": {infrastructure(func(o *v1alpha1.ProviderObject) {
			fields := make([]string, 257)
			for i := range fields {
				fields[i] = fmt.Sprintf("\"f%d\":0", i)
			}
			o.Spec = &runtime.RawExtension{Raw: []byte("{" + strings.Join(fields, ",") + "}")}
		}), ValidateOptions{}, "spec.infrastructureSpec.spec: 256"},
		"a spec that says which host it is": {infrastructure(func(o *v1alpha1.ProviderObject) {
			o.Spec = &runtime.RawExtension{Raw: []byte(`{"providerID":"remote-machine://other/desk-1"}`)}
		}), ValidateOptions{}, "spec.infrastructureSpec.spec.providerID: only the provider"},
		"a bootstrap spec that says so": {func(s *v1alpha1.ScheduledMachineSpec) {
			s.BootstrapSpec.Spec = &runtime.RawExtension{Raw: []byte(`{"providerID":""}`)}
		}, ValidateOptions{}, "spec.bootstrapSpec.spec.providerID: only the provider"},
		"a spec that leaves that to the provider": {infrastructure(func(o *v1alpha1.ProviderObject) {
			o.Spec = &runtime.RawExtension{Raw: []byte(`{"providerID":null}`)}
		}), ValidateOptions{}, ""},
		"a version that is absurdly long": {infrastructure(func(o *v1alpha1.ProviderObject) {
			o.APIVersion = "k0smotron.io/v" + strings.Repeat("1", 317)
		}), ValidateOptions{}, "spec.infrastructureSpec.apiVersion: group and a version"},

		"the lowest priority":        {func(s *v1alpha1.ScheduledMachineSpec) { s.Priority = new(int32(0)) }, ValidateOptions{}, ""},
		"the highest priority":       {func(s *v1alpha1.ScheduledMachineSpec) { s.Priority = new(int32(255)) }, ValidateOptions{}, ""},
		"a priority below all":       {func(s *v1alpha1.ScheduledMachineSpec) { s.Priority = new(int32(-1)) }, ValidateOptions{}, "spec.priority: 0 to 255"},
		"a priority above all":       {func(s *v1alpha1.ScheduledMachineSpec) { s.Priority = new(int32(256)) }, ValidateOptions{}, "spec.priority: 0 to 255"},
		"100 patterns of programs":   {func(s *v1alpha1.ScheduledMachineSpec) { s.KillIfCommands = slices.Repeat([]string{"idea"}, 100) }, ValidateOptions{}, ""},
		"101 patterns of programs":   {func(s *v1alpha1.ScheduledMachineSpec) { s.KillIfCommands = slices.Repeat([]string{"idea"}, 101) }, ValidateOptions{}, "spec.killIfCommands: 100"},
		"an empty pattern":           {func(s *v1alpha1.ScheduledMachineSpec) { s.KillIfCommands = []string{"idea", ""} }, ValidateOptions{}, "spec.killIfCommands[1]: 1 to 256"},
		"a pattern that is too long": {func(s *v1alpha1.ScheduledMachineSpec) { s.KillIfCommands = []string{long} }, ValidateOptions{}, "spec.killIfCommands[0]: 1 to 256"},

		"timeouts of nothing and of a day": {func(s *v1alpha1.ScheduledMachineSpec) { s.GracefulShutdownTimeout, s.NodeDrainTimeout = "0s", "24h" }, ValidateOptions{}, ""},
		"a timeout beyond a day":           {func(s *v1alpha1.ScheduledMachineSpec) { s.GracefulShutdownTimeout = "25h" }, ValidateOptions{}, "spec.gracefulShutdownTimeout: 24h"},
		"a timeout that would overflow":    {func(s *v1alpha1.ScheduledMachineSpec) { s.NodeDrainTimeout = "9999999999999h" }, ValidateOptions{}, "spec.nodeDrainTimeout: 24h"},
		"a timeout that is no number":      {func(s *v1alpha1.ScheduledMachineSpec) { s.NodeDrainTimeout = "1h30m" }, ValidateOptions{}, "spec.nodeDrainTimeout: whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := scheduledMachine().Spec
			c.change(&spec)
			errs := Validate(&spec, c.opts, field.NewPath("spec"))
			if c.want == "" {
				if len(errs) > 0 {
					t.Errorf("refused: %v", errs)
				}
				return
			}
			path, rule, _ := strings.Cut(c.want, ": ")
			if len(errs) == 0 || errs[0].Field != path || !strings.Contains(errs.ToAggregate().Error(), rule) {
				t.Errorf("got %v, want %s: … %s …", errs, path, rule)
			}
			for _, err := range errs {
				if len(err.Error()) > 700 || strings.ContainsRune(err.Error(), '\x1b') {
					t.Errorf("the error is not fit to be shown: %q", err)
				}
			}
		})
	}
}
