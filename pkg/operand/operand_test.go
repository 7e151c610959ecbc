package operand

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/finos/five-spot/api/v1alpha1"
)

const manifest = `{apiVersion: example.com/v1, kind: Thing, metadata: {name: a, labels: {ours: "1"}}, spec: {port: 8080, list: [{name: x, value: 1.0}]}}`

func parsed(g *WithT) *unstructured.Unstructured {
	object, err := Parse([]byte(manifest), "v1.2.0")
	g.Expect(err).NotTo(HaveOccurred())
	return object
}

func TestAManifestIsReadAsAnAPIServerAnswers(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	object := parsed(g)
	g.Expect(object.Object["spec"]).To(Equal(map[string]any{"port": int64(8080), "list": []any{map[string]any{"name": "x", "value": int64(1)}}}))
	g.Expect(object.GetAnnotations()).To(Equal(map[string]string{v1alpha1.VersionAnnotation: "v1.2.0"}))
	g.Expect(Name(object)).To(Equal("Thing a"))
	object.SetNamespace("b")
	g.Expect(Name(object)).To(Equal("Thing b/a"))
	_, err := Parse([]byte("{"), "v1.2.0")
	g.Expect(err).To(HaveOccurred())
}

func TestWhatDiffers(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct {
		change func(live *unstructured.Unstructured)
		want   bool
	}{
		"nothing":                      {func(*unstructured.Unstructured) {}, false},
		"a label of somebody else":     {func(o *unstructured.Unstructured) { o.SetLabels(map[string]string{"ours": "1", "a": "b"}) }, false},
		"a finalizer, and an owner":    {func(o *unstructured.Unstructured) { o.SetFinalizers([]string{"a/b"}) }, false},
		"the status":                   {func(o *unstructured.Unstructured) { o.Object["status"] = map[string]any{"a": "b"} }, false},
		"our label, which is gone":     {func(o *unstructured.Unstructured) { o.SetLabels(nil) }, true},
		"the version":                  {func(o *unstructured.Unstructured) { stamp(o, "v1.1.0") }, true},
		"a field":                      {func(o *unstructured.Unstructured) { o.Object["spec"].(map[string]any)["port"] = int64(1) }, true},
		"a field of somebody else":     {func(o *unstructured.Unstructured) { o.Object["spec"].(map[string]any)["off"] = true }, true},
		"one more item":                {func(o *unstructured.Unstructured) { o.Object["spec"].(map[string]any)["list"] = []any{nil, nil} }, true},
		"something beside spec":        {func(o *unstructured.Unstructured) { o.Object["data"] = map[string]any{} }, true},
		"the spec, which is not there": {func(o *unstructured.Unstructured) { delete(o.Object, "spec") }, true},
		"a default of the API server's": {func(o *unstructured.Unstructured) {
			o.Object["spec"].(map[string]any)["revisionHistoryLimit"] = int64(10)
		}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			live := parsed(g)
			c.change(live)
			g.Expect(Differs(live, parsed(g))).To(Equal(c.want))
		})
	}
}

func TestAReplacementLeavesNothingOfOthersButInTheMetadata(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	wanted, live := parsed(g), parsed(g)
	live.SetResourceVersion("7")
	live.SetUID("uid")
	live.SetLabels(map[string]string{"theirs": "1"})
	live.SetAnnotations(map[string]string{"theirs": "1"})
	live.Object["data"], live.Object["status"] = map[string]any{}, map[string]any{"a": "b"}
	live.Object["spec"] = map[string]any{"off": true}

	patch, err := replacement(live, wanted)
	g.Expect(err).NotTo(HaveOccurred())
	operations, err := jsonpatch.DecodePatch(patch)
	g.Expect(err).NotTo(HaveOccurred())
	document, err := json.Marshal(live.Object)
	g.Expect(err).NotTo(HaveOccurred())
	document, err = operations.Apply(document)
	g.Expect(err).NotTo(HaveOccurred())
	patched := &unstructured.Unstructured{}
	g.Expect(utiljson.Unmarshal(document, &patched.Object)).To(Succeed())

	g.Expect(Differs(patched, wanted)).To(BeFalse())
	g.Expect(patched.GetLabels()).To(Equal(map[string]string{"ours": "1", "theirs": "1"}))
	g.Expect(patched.GetAnnotations()).To(HaveKeyWithValue("theirs", "1"))
	g.Expect(string(patched.GetUID()) + patched.GetResourceVersion()).To(Equal("uid7"))
	g.Expect(patched.Object["status"]).To(Equal(map[string]any{"a": "b"}))

	live.SetResourceVersion("8")
	g.Expect(string(patch)).To(ContainSubstring(`{"op":"replace","path":"/metadata/resourceVersion","value":"7"}`), "another version is not written over")
}

func TestWhoMayWrite(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct {
		manager, by string
		want        error
	}{
		"a newer manager":                 {"v1.2.0", "v1.1.9", nil},
		"the same one":                    {"v1.2.0", "v1.2.0", nil},
		"an older one may not":            {"v1.2.0", "v1.10.0", ErrNewerInstalled},
		"nor one before the release":      {"v1.2.0-rc.1", "v1.2.0", ErrNewerInstalled},
		"a developer's build":             {"dev", "v1.2.0", nil},
		"anybody over a developer's":      {"v1.2.0", "dev", nil},
		"over what says nothing":          {"v1.2.0", "", nil},
		"over what says something absurd": {"v1.2.0", "v99999999999999999999.0.0", nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			live := parsed(g)
			stamp(live, c.by)
			if c.want == nil {
				g.Expect(ParseVersion(c.manager).MayWrite(live)).To(Succeed())
			} else {
				g.Expect(ParseVersion(c.manager).MayWrite(live)).To(MatchError(c.want))
			}
			now := metav1.Now()
			live.SetDeletionTimestamp(&now)
			g.Expect(ParseVersion(c.manager).MayWrite(live)).To(MatchError(ErrBeingDeleted))
		})
	}
	NewWithT(t).Expect(ParseVersion("v1.2.0").MayWrite(nil)).To(Succeed(), "what is not there")
}
