// Package v1kinds names the module whose CRDs are installed in a test.
package v1kinds

import (
	_ "github.com/operator-framework/operator-controller/api/v1" // helm/olmv1/base/*/crd/standard
)
