package hostid_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/finos/five-spot/agent/hostid"
)

// FuzzCheck holds that a Node passes only with the very id of the machine.
func FuzzCheck(f *testing.F) {
	f.Add(mine+"\n", mine)
	f.Add(mine, others)
	f.Add("uninitialized\n", "uninitialized")
	f.Add(strings.Repeat("0", 32), strings.Repeat("0", 32))
	f.Add("", "")
	f.Fuzz(func(t *testing.T, content, machineID string) {
		path := filepath.Join(t.TempDir(), "machine-id")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if hostid.New(path, false).Check(machineID) != nil {
			return
		}
		if strings.TrimSpace(content) != machineID || len(machineID) != 32 || strings.Trim(machineID, "0") == "" {
			t.Errorf("%q passes for %q", machineID, content)
		}
	})
}
