package admission_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

// server is a real API server with the CRDs; nil in short mode.
var server struct {
	*testenv.ControlPlane
	client     client.Client
	kubeconfig string
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testenv.RunSuite(m, startServer, func() error { return server.Stop() })) //nolint:gocritic // There is no server yet.
}

// startServer starts it unless nothing that runs needs it.
func startServer(ctx context.Context) (err error) {
	if testing.Short() || flag.Lookup("test.fuzz").Value.String() != "" || flag.Lookup("test.fuzzworker").Value.String() == "true" {
		return nil
	}
	if server.ControlPlane, err = testenv.Start(ctx, testenv.ControlPlaneOptions{Name: "admission", Log: os.Stderr}); err != nil {
		return err
	}
	if err := testenv.InstallCRDs(ctx, server.Config); err != nil {
		return err
	}
	// The rows are thousands of requests in no time.
	server.Config.QPS, server.Config.Burst = 500, 1000
	if server.client, err = client.New(server.Config, client.Options{Scheme: testenv.NewScheme()}); err != nil {
		return err
	}
	server.kubeconfig, err = server.WriteKubeconfig(server.Config, "admin")
	return err
}

func needServer(t *testing.T) {
	t.Helper()
	if server.ControlPlane == nil {
		t.Skip("needs a control plane")
	}
}

// byServer judges an object with a request that changes nothing.
func byServer(t *testing.T, object, before map[string]any) []complaint {
	t.Helper()
	obj := &unstructured.Unstructured{Object: object}
	if before == nil {
		return answered(server.client.Create(t.Context(), obj, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)))
	}
	old := &unstructured.Unstructured{Object: before}
	name := strings.ToLower(filepath.Base(strings.ReplaceAll(t.Name(), "_", "-")))
	old.SetName(name)
	obj.SetName(name)
	if err := server.client.Create(t.Context(), old); err != nil {
		t.Fatalf("the object before: %v", err)
	}
	t.Cleanup(func() {
		if err := server.client.Delete(context.WithoutCancel(t.Context()), old); err != nil {
			t.Errorf("delete: %v", err)
		}
	})
	obj.SetResourceVersion(old.GetResourceVersion())
	return answered(server.client.Update(t.Context(), obj, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)))
}

// answered are the complaints in an answer of the API server.
func answered(err error) []complaint {
	if err == nil {
		return nil
	}
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return []complaint{{text: err.Error()}}
	}
	var list []complaint
	for _, cause := range status.Status().Details.Causes {
		list = append(list, complaint{field: cause.Field, text: cause.Message})
	}
	return list
}

func TestTheServerAgreesWithTheTable(t *testing.T) {
	t.Parallel()
	needServer(t)
	for base, sentences := range rows() {
		for sentence, r := range sentences {
			t.Run(sentence, func(t *testing.T) {
				t.Parallel()
				object, before := r.objects(t, base)
				r.check(t, crd, byServer(t, object, before))
			})
		}
	}
}
