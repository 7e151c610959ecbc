package testenv

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// auditPolicy records each request once, when it is answered, with who and what
// but without bodies.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// AuditLogPath is where the audit log goes, one JSON event per line.
func (cp *ControlPlane) AuditLogPath() string { return filepath.Join(cp.folder, "audit.log") }

func (cp *ControlPlane) auditPolicyPath() string {
	return filepath.Join(cp.folder, "audit-policy.yaml")
}

// AuditEvents are the requests that the API server has answered so far and that
// pass the filter; nil passes all. The API server must have been started with
// AuditLog.
func (cp *ControlPlane) AuditEvents(filter func(*auditv1.Event) bool) ([]auditv1.Event, error) {
	file, err := os.Open(cp.AuditLogPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control plane %s writes no audit log: %w", cp.name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("failed to open the audit log: %w", err)
	}
	defer file.Close()
	var events []auditv1.Event
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event auditv1.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			// The last line may be half written.
			continue
		}
		if filter == nil || filter(&event) {
			events = append(events, event)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("failed to read the audit log: %w", err)
	}
	return events, nil
}
