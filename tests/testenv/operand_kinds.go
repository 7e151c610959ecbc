package testenv

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	consoleModule    = "github.com/openshift/api"
	prometheusModule = "github.com/prometheus-operator/prometheus-operator"
)

// InstallOperandKinds installs the CRDs of the Prometheus operator and of the OpenShift
// console of whose kinds the manager has objects, and waits until they are served.
func InstallOperandKinds(ctx context.Context, config *rest.Config) error {
	files, err := OperandKinds(ctx)
	if err != nil {
		return err
	}
	return installCRDs(config, files...)
}

// UninstallOperandKinds deletes them, and with them every object of theirs, and waits until
// they are gone.
func UninstallOperandKinds(ctx context.Context, c client.Client) error {
	const patience = time.Minute
	for _, name := range operandKindNames {
		crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreNotFound(c.Delete(ctx, crd)); err != nil {
			return fmt.Errorf("failed to delete CRD %s: %w", name, err)
		}
		err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
			err := c.Get(ctx, client.ObjectKeyFromObject(crd), crd)
			return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
		})
		if err != nil {
			return fmt.Errorf("failed to wait for the end of CRD %s: %w", name, err)
		}
	}
	return nil
}

var operandKindNames = []string{
	"consolequickstarts.console.openshift.io", "consoleyamlsamples.console.openshift.io",
	"prometheusrules.monitoring.coreos.com", "servicemonitors.monitoring.coreos.com",
}

// OperandKinds are the files of those CRDs.
func OperandKinds(ctx context.Context) ([]string, error) {
	root, err := SourceRoot(ctx)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(root, "tests", "testenv", "operandkinds")
	// Nothing is built from them, so that a new machine has not downloaded them yet.
	download := exec.CommandContext(ctx, "go", "mod", "download", consoleModule, prometheusModule)
	download.Dir = folder
	if out, err := download.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("failed to download the CRDs of others: %w: %s", err, out)
	}
	console, err := ModuleFolder(ctx, folder, consoleModule)
	if err != nil {
		return nil, err
	}
	prometheus, err := ModuleFolder(ctx, folder, prometheusModule)
	if err != nil {
		return nil, err
	}
	return []string{
		filepath.Join(console, "console", "v1", "0000_10_consolequickstart.crd.yaml"),
		filepath.Join(console, "console", "v1", "0000_10_consoleyamlsample.crd.yaml"),
		filepath.Join(prometheus, "example", "prometheus-operator-crd", "monitoring.coreos.com_prometheusrules.yaml"),
		filepath.Join(prometheus, "example", "prometheus-operator-crd", "monitoring.coreos.com_servicemonitors.yaml"),
	}, nil
}
