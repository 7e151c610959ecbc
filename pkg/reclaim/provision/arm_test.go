package provision_test

import (
	"context"
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
)

// desk is a Node and the ConfigMap of its agent.
type desk struct {
	*cluster
	node *corev1.Node
	key  client.ObjectKey
}

func newDesk(t *testing.T, name string) *desk {
	t.Helper()
	s := newCluster(t)
	s.createNamespace(nil)
	return &desk{s, s.node(name), client.ObjectKey{Namespace: s.namespace, Name: "reclaim-agent-" + name}}
}

// arm arms the agent on the Node as it is now, and returns whether that changed something.
func (d *desk) arm(killIfCommands ...string) bool {
	d.t.Helper()
	d.get(d.node)
	d.requests.Reset()
	changed, err := d.provision.Arm(d.t.Context(), d.client, d.node, d.namespace, reclaim.ConfigFor(killIfCommands))
	d.Expect(err).NotTo(HaveOccurred())
	d.Expect(changed).To(Equal(len(d.writes()) > 0))
	d.get(d.node)
	return changed
}

func (d *desk) disarm() bool {
	d.t.Helper()
	d.get(d.node)
	d.requests.Reset()
	changed, err := d.provision.Disarm(d.t.Context(), d.client, d.node, d.namespace)
	d.Expect(err).NotTo(HaveOccurred())
	d.Expect(changed).To(Equal(len(d.writes()) > 0))
	d.get(d.node)
	return changed
}

// configMap returns nil when there is none.
func (d *desk) configMap() *corev1.ConfigMap {
	d.t.Helper()
	found := &corev1.ConfigMap{}
	err := admin.Get(d.t.Context(), d.key, found)
	if apierrors.IsNotFound(err) {
		return nil
	}
	d.Expect(err).NotTo(HaveOccurred())
	return found
}

func TestArmingWritesOnceAndFollowsTheCommands(t *testing.T) {
	d := newDesk(t, "armed")
	d.Expect(d.arm("idea")).To(BeTrue())
	d.Expect(d.node.Labels).To(Equal(map[string]string{"a": "b", "5spot.finos.org/reclaim-agent": "enabled"}))
	configMap := d.configMap()
	d.Expect(reclaim.Parse(configMap.Data["reclaim.toml"])).To(HaveField("Commands", []string{"idea"}))
	d.Expect(configMap.Labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "five-spot"))
	d.Expect(configMap.OwnerReferences).To(Equal([]metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "armed", UID: d.node.UID}}))
	d.Expect(d.arm("idea")).To(BeFalse())
	d.Expect(d.requests.List(nil)).To(HaveLen(1))

	d.Expect(d.arm("idea", "steam")).To(BeTrue())
	d.Expect(d.writes()).To(HaveLen(1))
	d.Expect(reclaim.Parse(d.configMap().Data["reclaim.toml"])).To(HaveField("Commands", []string{"idea", "steam"}))

	managers := map[string]bool{}
	for _, entry := range append(d.node.ManagedFields, d.configMap().ManagedFields...) {
		managers[entry.Manager] = true
	}
	d.Expect(managers).To(HaveKey("5spot-controller-reclaim-agent"))

	d.Expect(d.disarm()).To(BeTrue())
	d.Expect(d.node.Labels).To(Equal(map[string]string{"a": "b"}))
	d.Expect(d.configMap()).To(BeNil())
	d.Expect(d.disarm()).To(BeFalse())
}

func TestAnEditOfTheConfigMapIsUndone(t *testing.T) {
	for name, edit := range map[string]func(*corev1.ConfigMap){
		"the text":    func(c *corev1.ConfigMap) { c.Data["reclaim.toml"] = "match_commands = []" },
		"another key": func(c *corev1.ConfigMap) { c.Data["x"] = "y" },
		"no key":      func(c *corev1.ConfigMap) { c.Data = nil },
		"the owner":   func(c *corev1.ConfigMap) { c.OwnerReferences[0].UID = "former-node" },
		"no owner":    func(c *corev1.ConfigMap) { c.OwnerReferences = nil },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, "edited")
			d.arm("idea")
			before := d.configMap()
			edited := before.DeepCopy()
			edit(edited)
			edited.Labels["team"] = "a"
			d.Expect(admin.Update(t.Context(), edited)).To(Succeed())
			d.Expect(d.arm("idea")).To(BeTrue())
			after := d.configMap()
			d.Expect(after.Data).To(Equal(before.Data))
			d.Expect(after.OwnerReferences).To(Equal(before.OwnerReferences))
			d.Expect(after.Labels).To(HaveKeyWithValue("team", "a"))
			d.Expect(d.arm("idea")).To(BeFalse())
		})
	}
}

func TestALabelThatIsGoneIsPutBack(t *testing.T) {
	d := newDesk(t, "unlabelled")
	d.arm("idea")
	delete(d.node.Labels, "5spot.finos.org/reclaim-agent")
	d.Expect(admin.Update(t.Context(), d.node)).To(Succeed())
	d.Expect(d.arm("idea")).To(BeTrue())
	d.Expect(d.writes()).To(HaveLen(1))
	d.Expect(d.node.Labels).To(HaveKeyWithValue("5spot.finos.org/reclaim-agent", "enabled"))
}

func TestAConfigMapThatIsNotOursStays(t *testing.T) {
	d := newDesk(t, "foreign")
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: d.key.Name}, Data: map[string]string{"a": "b"}}
	d.Expect(admin.Create(t.Context(), theirs)).To(Succeed())
	_, err := d.provision.Arm(t.Context(), d.client, d.node, d.namespace, reclaim.ConfigFor([]string{"idea"}))
	d.Expect(err).To(MatchError(provision.ErrForeign))
	d.Expect(err).To(MatchError(ContainSubstring(d.key.String())))
	d.Expect(d.writes()).To(BeEmpty(), "the Node is not labelled: its agent would look for something else")
	d.Expect(d.disarm()).To(BeFalse())
	d.Expect(d.configMap()).To(Equal(theirs))
}

func TestALabelOfAnotherValueIsNotOursToRemove(t *testing.T) {
	d := newDesk(t, "switched-off")
	d.node.Labels["5spot.finos.org/reclaim-agent"] = "disabled"
	d.Expect(admin.Update(t.Context(), d.node)).To(Succeed())
	d.Expect(d.disarm()).To(BeFalse())
	d.Expect(d.node.Labels).To(HaveKeyWithValue("5spot.finos.org/reclaim-agent", "disabled"))
}

func TestANodeThatTookThePlaceOfAnotherIsNotLabelled(t *testing.T) {
	d := newDesk(t, "replaced")
	former := d.node.DeepCopy()
	former.UID = "former-node"
	_, err := d.provision.Arm(t.Context(), d.client, former, d.namespace, reclaim.ConfigFor([]string{"idea"}))
	d.Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
	d.get(d.node)
	d.Expect(d.node.Labels).NotTo(HaveKey("5spot.finos.org/reclaim-agent"))
	d.Expect(d.arm("idea")).To(BeTrue())
	d.Expect(d.configMap().OwnerReferences[0].UID).To(Equal(d.node.UID))
}

func TestDisarmingANodeThatIsGoneRemovesItsConfigMap(t *testing.T) {
	d := newDesk(t, "staying")
	gone := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}
	d.Expect(admin.Create(t.Context(), gone)).To(Succeed())
	d.node, d.key.Name = gone, "reclaim-agent-gone"
	d.arm("idea")
	d.Expect(admin.Delete(context.WithoutCancel(t.Context()), gone)).To(Succeed())
	changed, err := d.provision.Disarm(t.Context(), d.client, d.node, d.namespace)
	d.Expect(err).NotTo(HaveOccurred())
	d.Expect(changed).To(BeTrue())
	d.Expect(d.configMap()).To(BeNil())
}

func TestTheNodeThatWasPassedIsNotModified(t *testing.T) {
	d := newDesk(t, "passed")
	before, err := json.Marshal(d.node)
	d.Expect(err).NotTo(HaveOccurred())
	_, err = d.provision.Arm(t.Context(), d.client, d.node, d.namespace, reclaim.ConfigFor([]string{"idea"}))
	d.Expect(err).NotTo(HaveOccurred())
	after, err := json.Marshal(d.node)
	d.Expect(err).NotTo(HaveOccurred())
	d.Expect(after).To(MatchJSON(before))
}
