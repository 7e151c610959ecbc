package operand

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
)

// kept is what a Keeper is to keep.
const kept = `{apiVersion: v1, kind: ConfigMap, metadata: {namespace: b, name: a, labels: {app.kubernetes.io/managed-by: five-spot}}, data: {a: b}}`

func configMap(g *WithT, version string) *unstructured.Unstructured {
	object, err := Parse([]byte(kept), version)
	g.Expect(err).NotTo(HaveOccurred())
	return object
}

// keeper is a Keeper of v1.2.0 over an API server with our CRD and that object, if any,
// which notes its requests.
func keeper(g *WithT, there *unstructured.Unstructured) (k *Keeper, requests *[]string) {
	scheme := runtime.NewScheme()
	g.Expect(corev1.AddToScheme(scheme)).To(Succeed())
	g.Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: OwnerCRD, UID: "crd"}}
	requests = &[]string{}
	note := func(request string) { *requests = append(*requests, request) }
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(crd).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			note("get " + key.Name)
			return c.Get(ctx, key, object, options...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			note("apply")
			return c.Apply(ctx, object, options...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			note("delete")
			return c.Delete(ctx, object, options...)
		},
	})
	if there != nil {
		builder = builder.WithObjects(there)
	}
	c := builder.Build()
	return &Keeper{Client: c, Live: c, Version: "v1.2.0"}, requests
}

func TestWhatAKeeperLooksAtBeforeItWrites(t *testing.T) {
	t.Parallel()
	const owner = "get scheduledmachines.5spot.finos.org"
	newer := func(o *unstructured.Unstructured) { stamp(o, "v1.3.0") }
	foreign := func(o *unstructured.Unstructured) {
		o.SetLabels(map[string]string{v1alpha1.ManagedByLabel: "somebody"})
	}
	going := func(o *unstructured.Unstructured) {
		now := metav1.Now()
		o.SetDeletionTimestamp(&now)
		o.SetFinalizers([]string{"example.com/held"})
	}
	type changes []func(*unstructured.Unstructured)
	for sentence, c := range map[string]struct {
		there               changes // nil where nothing is
		takesOver           bool
		err                 error
		keep, owned, remove string // what each does after it has read the object
	}{
		"nothing is there":                        {nil, false, nil, "apply", owner + ", apply", ""},
		"it is as it is wanted":                   {changes{}, false, nil, "", "", "delete"},
		"an older manager wrote it":               {changes{func(o *unstructured.Unstructured) { stamp(o, "v1.1.0") }}, false, nil, "apply", "apply", "delete"},
		"a newer manager wrote it":                {changes{newer}, false, ErrNewerInstalled, "", "", ""},
		"it is being deleted":                     {changes{going}, false, ErrBeingDeleted, "", "", ""},
		"it is somebody else's":                   {changes{foreign}, false, ErrForeign, "", "", ""},
		"it is somebody else's and being deleted": {changes{foreign, going}, false, ErrForeign, "", "", ""},
		"it is somebody else's and is taken over": {changes{foreign}, true, nil, "apply", "apply", "delete"},
		"what is taken over is of a newer one":    {changes{foreign, newer}, true, ErrNewerInstalled, "", "", ""},
		"what is taken over is being deleted":     {changes{foreign, going}, true, ErrBeingDeleted, "", "", ""},
	} {
		for _, method := range []struct {
			name  string
			act   func(*Keeper, context.Context, *unstructured.Unstructured) (bool, error)
			after string
		}{
			{"Keep", (*Keeper).Keep, c.keep}, {"KeepOwned", (*Keeper).KeepOwned, c.owned}, {"Remove", (*Keeper).Remove, c.remove},
		} {
			t.Run(sentence+": "+method.name, func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)
				var there *unstructured.Unstructured
				if c.there != nil {
					there = configMap(g, "v1.2.0")
				}
				for _, change := range c.there {
					change(there)
				}
				k, requests := keeper(g, there)
				k.TakesOver = c.takesOver
				changed, err := method.act(k, t.Context(), configMap(g, ""))
				if c.err == nil {
					g.Expect(err).NotTo(HaveOccurred())
				} else {
					g.Expect(err).To(And(MatchError(c.err), MatchError(ContainSubstring("ConfigMap b/a"))))
				}
				g.Expect(changed).To(Equal(method.after != ""))
				g.Expect(strings.Join(*requests, ", ")).To(Equal(strings.TrimSuffix("get a, "+method.after, ", ")))
			})
		}
	}
}

func TestNothingIsWrittenThatTheCRDIsToOwnWhereThatIsMissing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	k, requests := keeper(g, nil)
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: OwnerCRD}}
	g.Expect(k.Client.Delete(t.Context(), crd)).To(Succeed())
	*requests = nil
	_, err := k.KeepOwned(t.Context(), configMap(g, ""))
	g.Expect(err).To(MatchError(ErrNoOwner))
	g.Expect(err).NotTo(Satisfy(apierrors.IsNotFound), "it is not the object that was not found")
	g.Expect(*requests).NotTo(ContainElement("apply"))
}

func TestAKeeperStampsWhatItWritesAndGivesOnlyWhatIsNewAnOwner(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct {
		there  *unstructured.Unstructured
		act    func(*Keeper, context.Context, *unstructured.Unstructured) (bool, error)
		owners int
	}{
		"what is new":           {nil, (*Keeper).KeepOwned, 1},
		"what nobody is to own": {nil, (*Keeper).Keep, 0},
		"what has none by now":  {configMap(NewWithT(t), "v1.1.0"), (*Keeper).KeepOwned, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			k, _ := keeper(g, c.there)
			wanted := configMap(g, "")
			_, err := c.act(k, t.Context(), wanted)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(wanted).To(Equal(configMap(g, "")), "what is wanted is somebody else's to change")
			live, err := Read(t.Context(), k.Live, wanted)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(live.GetAnnotations()).To(HaveKeyWithValue(v1alpha1.VersionAnnotation, "v1.2.0"))
			g.Expect(live.GetOwnerReferences()).To(HaveLen(c.owners))
		})
	}
}
