package testenv

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAProcessIsStopped(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script  string
		wantErr string
	}{
		"when it obeys":            {script: `trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done`},
		"when it has ended itself": {script: `echo up`},
		"by force when it refuses": {script: `trap '' TERM; echo up; while :; do sleep 0.1; done`, wantErr: "killed it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output, up := waitForOutput()
			process, err := StartProcess(output, "/bin/sh", []string{"-c", test.script}, nil)
			if err != nil {
				t.Fatal(err)
			}
			<-up
			err = process.Stop(time.Second)
			if test.wantErr == "" && err != nil || test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)) {
				t.Errorf("Stop() = %v, want %q", err, test.wantErr)
			}
			select {
			case <-process.Done():
			default:
				t.Error("it still runs")
			}
		})
	}
}

func TestAProcessThatCannotStartIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := StartProcess(t.Output(), filepath.Join(t.TempDir(), "absent"), nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A test that panics or times out does not get to stop its control planes.
func TestTheGuardCleansUpAfterUs(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), "sleep", "600")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pids := childrenOf([]string{"sleep"}, "600")
	if len(pids) != 1 || pids[0] != child.Process.Pid {
		t.Fatalf("found children %d, want %d", pids, child.Process.Pid)
	}
	g, err := startGuard(pids, []string{folder})
	if err != nil {
		t.Fatal(err)
	}
	// The kernel closes the pipe when we die.
	if err := g.pipe.Close(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the child ended with %v", err)
	}
	if err := g.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestADismissedGuardDoesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	g, err := startGuard(nil, []string{folder})
	if err != nil {
		t.Fatal(err)
	}
	g.dismiss()
	if _, err := os.Stat(folder); err != nil {
		t.Error(err)
	}
}

func TestTheTailKeepsTheLastOutput(t *testing.T) {
	t.Parallel()
	var output tail
	for _, chunk := range [][]byte{bytes.Repeat([]byte("a"), tailSize), []byte("the end\n")} {
		if n, err := output.Write(chunk); n != len(chunk) || err != nil {
			t.Fatalf("Write() = %d, %v", n, err)
		}
	}
	if got := output.String(); !strings.HasSuffix(got, "a"+"the end") || len(got) != tailSize-1 {
		t.Errorf("%d bytes that end in %q", len(got), got[len(got)-10:])
	}
}

// waitForOutput is a writer and what is closed at the first output.
func waitForOutput() (*firstWrite, <-chan struct{}) {
	w := &firstWrite{written: make(chan struct{})}
	return w, w.written
}

type firstWrite struct {
	written chan struct{}
	once    bool
}

func (w *firstWrite) Write(data []byte) (int, error) {
	if !w.once {
		w.once = true
		close(w.written)
	}
	return len(data), nil
}
