package testenv

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// InstallOperandKinds installs the CRDs of the Prometheus operator and of the OpenShift
// console of whose kinds the manager has objects, and waits until they are served.
func InstallOperandKinds(ctx context.Context, config *rest.Config) error {
	files, err := operandKinds(ctx)
	if err != nil {
		return err
	}
	return installCRDs(config, files...)
}

// UninstallOperandKinds deletes them, and with them every object of theirs, and waits until
// they are gone.
func UninstallOperandKinds(ctx context.Context, c client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, name := range operandKindNames {
		crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreNotFound(c.Delete(ctx, crd)); err != nil {
			return fmt.Errorf("failed to delete CRD %s: %w", name, err)
		}
		if err := WaitGone(ctx, c, crd); err != nil {
			return err
		}
	}
	return nil
}

var operandKindNames = []string{
	"consolequickstarts.console.openshift.io", "consoleyamlsamples.console.openshift.io",
	"prometheusrules.monitoring.coreos.com", "servicemonitors.monitoring.coreos.com",
}

// operandKinds are the files of those CRDs.
func operandKinds(ctx context.Context) ([]string, error) {
	root, err := SourceRoot(ctx)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(root, "tests", "testenv", "operandkinds")
	console, err := DownloadedModule(ctx, folder, "github.com/openshift/api")
	if err != nil {
		return nil, err
	}
	prometheus, err := DownloadedModule(ctx, folder, "github.com/prometheus-operator/prometheus-operator")
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
