package hostid_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/agent/hostid"
)

const (
	mine   = "0123456789abcdef0123456789abcdef"
	others = "0123456789abcdef0123456789abcdee"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("0", 32)
	for name, test := range map[string]struct {
		file, node string
		skip       bool
		want       error
	}{
		"the same":                             {mine + "\n", mine, false, nil},
		"the same without a line feed":         {mine, mine, false, nil},
		"the same between white space":         {" \t" + mine + "\r\n\n", mine, false, nil},
		"another":                              {mine + "\n", others, false, hostid.ErrOtherHost},
		"the same in other letters":            {mine + "\n", strings.ToUpper(mine), false, hostid.ErrOtherHost},
		"a Node that reports none":             {mine + "\n", "", false, hostid.ErrNoID},
		"a Node that reports something else":   {mine + "\n", mine + "\n", false, hostid.ErrNoID},
		"an empty file":                        {"", mine, false, hostid.ErrNoID},
		"two empty ones":                       {"", "", false, hostid.ErrNoID},
		"two that are not set":                 {"uninitialized\n", "uninitialized", false, hostid.ErrNoID},
		"two of zeros":                         {zeros + "\n", zeros, false, hostid.ErrNoID},
		"two that are too short":               {mine[:30] + "\n", mine[:30], false, hostid.ErrNoID},
		"two that are too long":                {mine + "00", mine + "00", false, hostid.ErrNoID},
		"something behind it":                  {mine + "\n" + others + "\n", mine, false, hostid.ErrNoID},
		"a file without end":                   {strings.Repeat("\n", 1<<20) + mine, mine, false, hostid.ErrNoID},
		"another, but the check is left out":   {mine + "\n", others, true, nil},
		"none at all, and it is left out":      {"", "", true, nil},
		"a file that is no text":               {"\xff\x00", mine, false, hostid.ErrNoID},
		"letters that are no hexadecimal ones": {strings.Repeat("g", 32), strings.Repeat("g", 32), false, hostid.ErrNoID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			path := filepath.Join(t.TempDir(), "machine-id")
			g.Expect(os.WriteFile(path, []byte(test.file), 0o600)).To(Succeed())
			err := hostid.New(path, test.skip).Check(test.node)
			if test.want == nil {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(test.want))
		})
	}
}

func TestAMachineWithoutTheFilePassesForNoNode(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	nowhere := filepath.Join(t.TempDir(), "machine-id")
	g.Expect(hostid.New(nowhere, false).Check(mine)).To(MatchError(fs.ErrNotExist))
	g.Expect(hostid.New(t.TempDir(), false).Check(mine)).NotTo(Succeed())
	g.Expect(hostid.New(nowhere, true).Check(mine)).To(Succeed())
}

func TestTheFileIsReadEachTime(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "machine-id")
	host := hostid.New(path, false)
	g.Expect(os.WriteFile(path, []byte(others+"\n"), 0o600)).To(Succeed())
	g.Expect(host.Check(mine)).To(MatchError(hostid.ErrOtherHost))
	g.Expect(os.WriteFile(path, []byte(mine+"\n"), 0o600)).To(Succeed())
	g.Expect(host.Check(mine)).To(Succeed())
}
