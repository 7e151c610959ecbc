package admission_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

// apiServer is a real API server with the CRDs.
type apiServer struct {
	*testenv.ControlPlane
	client     client.Client
	kubeconfig string
}

// server has the CRDs alone, guarded the policies too, which a manager without flags
// installs there, and unguarded those that managers install in the tests about that.
// There is none in short mode.
var server, guarded, unguarded apiServer

func TestMain(m *testing.M) {
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	os.Exit(testenv.RunSuite(m, startServers, stopServers))
}

// startServers starts them unless nothing that runs needs them.
func startServers(ctx context.Context) error {
	if testing.Short() || flag.Lookup("test.fuzz").Value.String() != "" || flag.Lookup("test.fuzzworker").Value.String() == "true" {
		return nil
	}
	if err := server.start(ctx, testenv.ControlPlaneOptions{Name: "admission"}); err != nil {
		return err
	}
	if err := guarded.start(ctx, testenv.ControlPlaneOptions{Name: "admission-guarded", AuditLog: true}); err != nil {
		return err
	}
	if err := unguarded.start(ctx, testenv.ControlPlaneOptions{Name: "admission-unguarded", Controllers: true}); err != nil {
		return err
	}
	return guard(ctx)
}

func stopServers() error {
	return errors.Join(server.Stop(), guarded.Stop(), unguarded.Stop())
}

func (s *apiServer) start(ctx context.Context, options testenv.ControlPlaneOptions) (err error) {
	options.Log = os.Stderr
	if s.ControlPlane, err = testenv.Start(ctx, options); err != nil {
		return err
	}
	if err := testenv.InstallCRDs(ctx, s.Config); err != nil {
		return err
	}
	// The rows are thousands of requests in no time.
	s.Config.QPS, s.Config.Burst = 500, 1000
	if s.client, err = client.New(s.Config, client.Options{Scheme: testenv.NewScheme()}); err != nil {
		return err
	}
	s.kubeconfig, err = s.WriteKubeconfig(s.Config, "admin")
	return err
}

func needServer(t *testing.T) {
	t.Helper()
	if server.ControlPlane == nil {
		t.Skip("needs a control plane")
	}
}

// byServer judges an object with a request that changes nothing, by the CRD alone.
func byServer(t *testing.T, object, before map[string]any) []complaint {
	t.Helper()
	return server.judge(t, object, before)
}

func (s *apiServer) judge(t *testing.T, object, before map[string]any) []complaint {
	t.Helper()
	obj := &unstructured.Unstructured{Object: object}
	if before == nil {
		return answered(s.client.Create(t.Context(), obj, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)))
	}
	old := &unstructured.Unstructured{Object: before}
	name := strings.ToLower(filepath.Base(strings.ReplaceAll(t.Name(), "_", "-")))
	old.SetName(name)
	obj.SetName(name)
	if err := s.client.Create(t.Context(), old); err != nil {
		t.Fatalf("the object before: %v", err)
	}
	t.Cleanup(func() {
		if err := s.client.Delete(context.WithoutCancel(t.Context()), old); err != nil {
			t.Errorf("delete: %v", err)
		}
	})
	obj.SetResourceVersion(old.GetResourceVersion())
	return answered(s.client.Update(t.Context(), obj, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)))
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
		if strings.HasPrefix(cause.Message, "ValidatingAdmissionPolicy ") {
			list = append(list, policyComplaint(cause.Message))
			continue
		}
		list = append(list, complaint{field: cause.Field, text: cause.Message})
	}
	return list
}

func TestTheServersAgreeWithTheTable(t *testing.T) {
	t.Parallel()
	needServer(t)
	for by, s := range map[layer]*apiServer{crd: &server, policy: &guarded} {
		for base, sentences := range rows() {
			for sentence, r := range sentences {
				t.Run(string(by)+" "+sentence, func(t *testing.T) {
					t.Parallel()
					object, before := r.objects(t, base)
					r.check(t, by, s.judge(t, object, before))
				})
			}
		}
	}
}
