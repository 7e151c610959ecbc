package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A vulnerability of the standard library that no version mends.
const vulnerability = `{"schema_version":"1.3.1","id":"GO-2000-0001","modified":"2000-01-01T00:00:00Z","published":"2000-01-01T00:00:00Z",
	"summary":"made up","details":"made up","database_specific":{"url":"https://example.com/GO-2000-0001","review_status":"REVIEWED"},
	"affected":[{"package":{"name":"stdlib","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],
	"ecosystem_specific":{"imports":[{"path":"net/url","symbols":["Parse"]}]}}]}`

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func database(t *testing.T) string {
	t.Helper()
	return write(t, map[string]string{
		"index/db.json":        `{"modified":"2000-01-01T00:00:00Z"}`,
		"index/modules.json":   `[{"path":"stdlib","vulns":[{"id":"GO-2000-0001","modified":"2000-01-01T00:00:00Z"}]}]`,
		"index/vulns.json":     `[{"id":"GO-2000-0001","modified":"2000-01-01T00:00:00Z"}]`,
		"ID/GO-2000-0001.json": vulnerability,
	})
}

func program(t *testing.T, statement string) string {
	t.Helper()
	return write(t, map[string]string{
		"go.mod":  "module example.com/program\n\ngo 1.26.0\n",
		"main.go": "package main\n\nimport \"net/url\"\n\nfunc main() { " + statement + " }\n",
	})
}

func TestWhatIsVulnerableAndCalledIsAFailure(t *testing.T) {
	t.Setenv("GOVULNDB", "file://"+database(t))
	var out bytes.Buffer
	err := run(t.Context(), []string{"-root", program(t, `_, _ = url.Parse("x")`), "."}, &out)
	if err == nil || !strings.Contains(out.String(), "GO-2000-0001") {
		t.Errorf("the error is %v, the output\n%s", err, out.String())
	}

	out.Reset()
	if err := run(t.Context(), []string{"-root", program(t, `_ = url.QueryEscape("x")`), "."}, &out); err != nil {
		t.Errorf("what is not called: %v\n%s", err, out.String())
	}
}

func TestADatabaseThatIsReachedOverTheNetworkCountsToo(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir(database(t))))
	t.Cleanup(server.Close)
	t.Setenv("GOVULNDB", server.URL)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-root", program(t, `_, _ = url.Parse("x")`), "."}, &out); err == nil {
		t.Errorf("it passes:\n%s", out.String())
	}
}

func TestADatabaseOutOfReachIsSaid(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	for _, url := range []string{server.URL, "http://127.0.0.1:1", "::"} {
		t.Setenv("GOVULNDB", url)
		var out bytes.Buffer
		if err := run(t.Context(), []string{"."}, &out); err != nil || !strings.HasPrefix(out.String(), "DID NOT RUN: ") {
			t.Errorf("%s: %v, %q", url, err, out.String())
		}
		if err := run(t.Context(), []string{"-required", "."}, &out); !errors.Is(err, errUnreachable) {
			t.Errorf("%s: it is required, and the error is %v", url, err)
		}
	}
}
