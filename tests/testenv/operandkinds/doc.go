// Package operandkinds names the modules whose CRDs are installed in tests.
package operandkinds

import (
	_ "github.com/openshift/api/console/v1"                                // console/v1/*.crd.yaml
	_ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil" // example/prometheus-operator-crd
)
