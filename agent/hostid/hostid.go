// Package hostid makes sure that the Node that the agent writes to is the machine that
// it runs on: a Pod that was given another Node's name must not have that one reclaimed.
package hostid

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// DefaultPath is where a machine keeps its id, and where its kubelet reads it.
const DefaultPath = "/etc/machine-id"

// maxFile is more than a machine-id takes, in bytes.
const maxFile = 4096

// Errors of Check.
var (
	// ErrNoID is that one of the two sides has no machine-id.
	ErrNoID = errors.New("no machine-id")

	// ErrOtherHost is that the Node is another machine.
	ErrOtherHost = errors.New("the Node reports another machine-id than this machine has")
)

// Host is the machine that the agent runs on.
type Host struct {
	path string
	skip bool
}

// New returns the Host whose machine-id is in the file at path. With skip, every Node
// passes for it.
func New(path string, skip bool) Host { return Host{path: path, skip: skip} }

// Check returns nil if the machineID, which is that of a Node's status.nodeInfo, is that
// of the Host. If either cannot be told it returns an error, too. The file is read each
// time.
func (h Host) Check(machineID string) error {
	if h.skip {
		return nil
	}
	own, err := h.id()
	if err != nil {
		return err
	}
	if !isID(machineID) {
		return fmt.Errorf("%w in the Node's status.nodeInfo", ErrNoID)
	}
	if own != machineID {
		return ErrOtherHost
	}
	return nil
}

func (h Host) id() (string, error) {
	file, err := os.Open(h.path)
	if err != nil {
		return "", fmt.Errorf("failed to read the machine-id: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return "", fmt.Errorf("failed to read the machine-id: %w", err)
	}
	// A kubelet reports the content without the white space around it.
	id := strings.TrimSpace(string(content))
	if !isID(id) {
		return "", fmt.Errorf("%w in %s", ErrNoID, h.path)
	}
	return id, nil
}

// isID is whether the id tells machines apart: it has 32 hexadecimal digits and not only
// zeros. An image that is made for many machines says "uninitialized" instead.
func isID(id string) bool {
	const length = 32
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == length && strings.Trim(id, "0") != ""
}
