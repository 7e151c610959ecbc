package olm_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/finos/five-spot/tests/testenv"
)

// catalog is one that opm serves.
type catalog struct {
	// address is where OLM finds it.
	address string

	server *testenv.Process
}

// serveCatalog serves the package and the channels of config/catalog with bundles that
// need no image: they have all manifests in them.
func serveCatalog(ctx context.Context, folder string, releases ...*release) (*catalog, error) {
	files := filepath.Join(folder, "catalog")
	if err := writeCatalog(ctx, files, releases); err != nil {
		return nil, err
	}
	ports, err := testenv.FreePorts(ctx, 1)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(folder, "opm.log"))
	if err != nil {
		return nil, fmt.Errorf("failed to create a log file: %w", err)
	}
	defer func() { _ = log.Close() }()
	port := strconv.Itoa(ports[0])
	served := &catalog{address: net.JoinHostPort("127.0.0.1", port)}
	served.server, err = testenv.StartProcess(log, os.Getenv(opmVariable), []string{
		"serve", files, "--port", port, "--pprof-addr", "", "--termination-log", filepath.Join(folder, "opm.end"),
		"--cache-dir", filepath.Join(folder, "opm-cache"), "--cache-enforce-integrity=false",
	}, nil)
	if err != nil {
		return nil, err
	}
	// OLM waits long before it tries again to reach a catalog that is not there yet.
	if err := wait.PollUntilContextTimeout(ctx, pollInterval, soon, true, func(ctx context.Context) (bool, error) {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", served.address)
		if err != nil {
			return false, nil //nolint:nilerr // The next attempt may succeed.
		}
		return true, connection.Close()
	}); err != nil {
		text, _ := os.ReadFile(log.Name())
		return served, fmt.Errorf("opm does not serve the catalog: %w: %s", err, text)
	}
	return served, nil
}

func writeCatalog(ctx context.Context, folder string, releases []*release) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("failed to create the folder of the catalog: %w", err)
	}
	channels, err := os.ReadFile(filepath.Join(root, "config", "catalog", "package.yaml"))
	if err != nil {
		return fmt.Errorf("failed to read the package: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "package.yaml"), channels, 0o600); err != nil {
		return fmt.Errorf("failed to write the catalog: %w", err)
	}
	for _, release := range releases {
		rendered, err := opm(ctx, "render", release.bundle, "--output", "yaml")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, release.csv+".yaml"), rendered, 0o600); err != nil {
			return fmt.Errorf("failed to write the catalog: %w", err)
		}
	}
	_, err = opm(ctx, "validate", folder)
	return err
}

func opm(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, os.Getenv(opmVariable), args...).Output()
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output returns it as it is.
		return nil, fmt.Errorf("opm %s: %w: %s", args[0], err, exit.Stderr)
	}
	return out, err
}

func (c *catalog) stop() error {
	if c == nil || c.server == nil {
		return nil
	}
	return c.server.Stop(10 * time.Second)
}
