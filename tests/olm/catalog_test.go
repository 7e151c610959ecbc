package olm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/tests/testenv"
)

// catalog is one that opm serves.
type catalog struct {
	// address is where OLM finds it.
	address string

	server *testenv.Process
}

// serveCatalog serves the package and the channels of config/catalog with bundles that
// need no image: they have all manifests in them. The name is that of a folder.
func serveCatalog(ctx context.Context, folder, name string, releases ...*release) (*catalog, error) {
	files := filepath.Join(folder, name)
	if err := writeCatalog(ctx, files, releases); err != nil {
		return nil, err
	}
	ports, err := testenv.FreePorts(ctx, 1)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(files + ".log")
	if err != nil {
		return nil, fmt.Errorf("failed to create a log file: %w", err)
	}
	defer func() { _ = log.Close() }()
	port := strconv.Itoa(ports[0])
	served := &catalog{address: net.JoinHostPort("127.0.0.1", port)}
	served.server, err = testenv.StartProcess(log, os.Getenv(opmVariable), []string{
		"serve", files, "--port", port, "--pprof-addr", "", "--termination-log", files + ".end",
		"--cache-dir", files + "-cache", "--cache-enforce-integrity=false",
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
	channels, err := channelsWith(releases)
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

// channelsWith are the package and the channels, with the versions that they do not know.
func channelsWith(releases []*release) ([]byte, error) {
	committed, err := os.Open(filepath.Join(root, "config", "catalog", "package.yaml"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = committed.Close() }()
	var all bytes.Buffer
	for decoder := utilyaml.NewYAMLOrJSONDecoder(committed, 4096); ; {
		part := map[string]any{}
		if err := decoder.Decode(&part); errors.Is(err, io.EOF) {
			return all.Bytes(), nil
		} else if err != nil {
			return nil, err
		}
		if entries, ok := part["entries"].([]any); ok {
			for _, release := range releases {
				if release.replaces != "" {
					entries = append(entries, map[string]any{"name": release.csv, "replaces": release.replaces})
				}
			}
			part["entries"] = entries
		}
		text, err := yaml.Marshal(part)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&all, "---\n%s", text)
	}
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
