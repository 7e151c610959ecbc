package provision_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mend makes a pass after something was changed, and expects one that changes nothing
// after it.
func (s *cluster) mend() {
	s.t.Helper()
	s.install()
	s.settled()
}

func TestWhatIsDeletedIsInstalledAgain(t *testing.T) {
	s := newCluster(t)
	s.install()
	for _, object := range s.named() {
		s.Expect(admin.Delete(t.Context(), object)).To(Succeed())
		s.mend()
		s.get(object)
	}
}

// change is a drift of one object.
func change[T client.Object](s *cluster, object T, edit func(T)) {
	s.t.Helper()
	// Controllers write the status meanwhile.
	s.Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		s.get(object)
		edit(object)
		return s.admin.Update(s.t.Context(), object)
	})).To(Succeed())
}

func TestDriftIsRepaired(t *testing.T) {
	within := func(s *cluster) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: s.namespace, Name: agent} }
	wide := metav1.ObjectMeta{Name: agent}
	policy := func(edit func(*admissionregistrationv1.ValidatingAdmissionPolicySpec)) func(*cluster) {
		return func(s *cluster) {
			change(s, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: wide}, func(p *admissionregistrationv1.ValidatingAdmissionPolicy) { edit(&p.Spec) })
		}
	}
	binding := func(edit func(*admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec)) func(*cluster) {
		return func(s *cluster) {
			change(s, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: wide}, func(b *admissionregistrationv1.ValidatingAdmissionPolicyBinding) { edit(&b.Spec) })
		}
	}
	pods := func(edit func(*corev1.PodSpec)) func(*cluster) {
		return func(s *cluster) {
			change(s, &appsv1.DaemonSet{ObjectMeta: within(s)}, func(d *appsv1.DaemonSet) { edit(&d.Spec.Template.Spec) })
		}
	}
	everybody := rbacv1.Subject{Kind: "Group", APIGroup: rbacv1.GroupName, Name: "system:serviceaccounts"}
	anything := rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}

	for name, drift := range map[string]func(*cluster){
		"a policy that fails open": policy(func(p *admissionregistrationv1.ValidatingAdmissionPolicySpec) {
			p.FailurePolicy = ptr.To(admissionregistrationv1.Ignore)
		}),
		"a policy without a validation": policy(func(p *admissionregistrationv1.ValidatingAdmissionPolicySpec) { p.Validations = p.Validations[1:] }),
		"a policy with a condition that is never met": policy(func(p *admissionregistrationv1.ValidatingAdmissionPolicySpec) {
			p.MatchConditions = append(p.MatchConditions, admissionregistrationv1.MatchCondition{Name: "never", Expression: "false"})
		}),
		"a policy that does not match nodes/status": policy(func(p *admissionregistrationv1.ValidatingAdmissionPolicySpec) {
			p.MatchConstraints.ResourceRules[0].Resources = []string{"nodes"}
		}),
		"a policy that leaves out some": policy(func(p *admissionregistrationv1.ValidatingAdmissionPolicySpec) {
			p.MatchConstraints.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
		}),
		"a policy that excludes resources": policy(func(p *admissionregistrationv1.ValidatingAdmissionPolicySpec) {
			p.MatchConstraints.ExcludeResourceRules = p.MatchConstraints.ResourceRules
		}),
		"a policy with another variable": policy(func(p *admissionregistrationv1.ValidatingAdmissionPolicySpec) { p.Variables[0].Expression = "true" }),
		"a policy with one more variable": policy(func(p *admissionregistrationv1.ValidatingAdmissionPolicySpec) {
			p.Variables = append(p.Variables, admissionregistrationv1.Variable{Name: "x", Expression: "1"})
		}),
		"a binding that only warns": binding(func(b *admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec) {
			b.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn}
		}),
		"a binding to a policy that does not exist": binding(func(b *admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec) { b.PolicyName = "other" }),
		"a binding that leaves out some": binding(func(b *admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec) {
			b.MatchResources = &admissionregistrationv1.MatchResources{ObjectSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}
		}),
		"a ClusterRole with a rule more": func(s *cluster) {
			change(s, &rbacv1.ClusterRole{ObjectMeta: wide}, func(r *rbacv1.ClusterRole) { r.Rules = append(r.Rules, anything) })
		},
		"a ClusterRole with a verb more": func(s *cluster) {
			change(s, &rbacv1.ClusterRole{ObjectMeta: wide}, func(r *rbacv1.ClusterRole) { r.Rules[0].Verbs = append(r.Rules[0].Verbs, "list") })
		},
		"a ClusterRole that collects others": func(s *cluster) {
			change(s, &rbacv1.ClusterRole{ObjectMeta: wide}, func(r *rbacv1.ClusterRole) {
				r.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"a": "b"}}}}
			})
		},
		"a ClusterRoleBinding with a subject more": func(s *cluster) {
			change(s, &rbacv1.ClusterRoleBinding{ObjectMeta: wide}, func(r *rbacv1.ClusterRoleBinding) { r.Subjects = append(r.Subjects, everybody) })
		},
		"a Role without a verb": func(s *cluster) {
			change(s, &rbacv1.Role{ObjectMeta: within(s)}, func(r *rbacv1.Role) { r.Rules[0].Verbs = []string{"get"} })
		},
		"a RoleBinding without subjects": func(s *cluster) {
			change(s, &rbacv1.RoleBinding{ObjectMeta: within(s)}, func(r *rbacv1.RoleBinding) { r.Subjects = nil })
		},
		"a ServiceAccount whose token everybody gets": func(s *cluster) {
			change(s, &corev1.ServiceAccount{ObjectMeta: within(s)}, func(a *corev1.ServiceAccount) { a.AutomountServiceAccountToken = new(true) })
		},
		"a Namespace that is restricted": func(s *cluster) {
			change(s, s.theNamespace(), func(n *corev1.Namespace) { n.Labels["pod-security.kubernetes.io/enforce"] = "restricted" })
		},
		"a Namespace that lost the label of being ours": func(s *cluster) {
			change(s, s.theNamespace(), func(n *corev1.Namespace) { delete(n.Labels, "app.kubernetes.io/managed-by") })
		},
		"a DaemonSet with another image": pods(func(p *corev1.PodSpec) { p.Containers[0].Image = "other" }),
		"a DaemonSet that is privileged": pods(func(p *corev1.PodSpec) {
			p.Containers[0].SecurityContext.Capabilities, p.Containers[0].SecurityContext.Privileged, p.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil, new(true), nil
		}),
		"a DaemonSet with a capability more": pods(func(p *corev1.PodSpec) {
			c := p.Containers[0].SecurityContext.Capabilities
			c.Add = append(c.Add, "SYS_ADMIN")
		}),
		"a DaemonSet that executes something else": pods(func(p *corev1.PodSpec) { p.Containers[0].Command = []string{"/bin/sh"} }),
		"a DaemonSet with a container more": pods(func(p *corev1.PodSpec) {
			p.Containers = append(p.Containers, corev1.Container{Name: "b", Image: "b", TerminationMessagePolicy: "File"})
		}),
		"a DaemonSet with a container before the others": pods(func(p *corev1.PodSpec) {
			p.InitContainers = []corev1.Container{{Name: "b", Image: "b", TerminationMessagePolicy: "File"}}
		}),
		"a DaemonSet in the host's IPC namespace": pods(func(p *corev1.PodSpec) { p.HostIPC = true }),
		"a DaemonSet with its own network":        pods(func(p *corev1.PodSpec) { p.HostNetwork = false }),
		"a DaemonSet with a volume more": pods(func(p *corev1.PodSpec) {
			p.Volumes = append(p.Volumes, corev1.Volume{Name: "x", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}})
		}),
		"a DaemonSet with a variable more": pods(func(p *corev1.PodSpec) {
			p.Containers[0].Env = append(p.Containers[0].Env, corev1.EnvVar{Name: "SKIP_HOST_ID_CHECK", Value: "true"})
		}),
		"a DaemonSet on all Nodes":    pods(func(p *corev1.PodSpec) { p.NodeSelector = nil }),
		"a DaemonSet on fewer Nodes":  pods(func(p *corev1.PodSpec) { p.NodeSelector["a"] = "b" }),
		"a DaemonSet without a limit": pods(func(p *corev1.PodSpec) { p.Containers[0].Resources.Limits = nil }),
		"a DaemonSet that is only replaced by hand": func(s *cluster) {
			change(s, &appsv1.DaemonSet{ObjectMeta: within(s)}, func(d *appsv1.DaemonSet) {
				d.Spec.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}
			})
		},
		"a version that is gone": func(s *cluster) {
			change(s, &appsv1.DaemonSet{ObjectMeta: within(s)}, func(d *appsv1.DaemonSet) { delete(d.Annotations, "5spot.finos.org/version") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCluster(t)
			s.install()
			drift(s)
			s.mend()
		})
	}
}

// Nobody can change what a binding refers to, or whom a DaemonSet selects: that takes
// another object.
func TestWhatCannotBeChangedIsReplaced(t *testing.T) {
	s := newCluster(t)
	s.install()
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: agent}}
	s.get(binding)
	other := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: agent, Labels: binding.Labels, Annotations: binding.Annotations}, Subjects: binding.Subjects}
	other.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}
	s.Expect(admin.Delete(t.Context(), binding)).To(Succeed())
	s.Expect(admin.Create(t.Context(), other)).To(Succeed())
	s.mend()
	s.get(binding)
	s.Expect(binding.RoleRef.Name).To(Equal(agent))
}

func TestWhatOthersMayAddIsLeftAlone(t *testing.T) {
	s := newCluster(t)
	s.install()
	for _, object := range s.named() {
		s.get(object)
		object.SetLabels(with(object.GetLabels(), "team", "a"))
		object.SetAnnotations(with(object.GetAnnotations(), "note", "b"))
		s.Expect(admin.Update(t.Context(), object)).To(Succeed())
	}
	change(s, s.theNamespace(), func(n *corev1.Namespace) { n.Labels["team"] = "a" })
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: agent}}
	change(s, account, func(a *corev1.ServiceAccount) {
		a.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "dockercfg"}}
	})
	daemonSet := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: agent}}
	change(s, daemonSet, func(d *appsv1.DaemonSet) {
		d.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": fmt.Sprint(time.Unix(0, 0))}
	})
	s.settled()
}

func with(values map[string]string, key, value string) map[string]string {
	values[key] = value
	return values
}
