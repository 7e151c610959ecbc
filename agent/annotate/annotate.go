// Package annotate asks for the reclaim of one Node by its annotations, and looks
// whether the request still stands. Each call is one attempt; whoever calls repeats it.
package annotate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/finos/five-spot/pkg/reclaim"
)

// ErrWrongHost is that the Node is not known to be the machine that the agent runs on.
var ErrWrongHost = errors.New("the Node is not known to be this machine")

// Result is what became of a request.
type Result string

// The results of Request.
const (
	// Written is that the annotations were written.
	Written Result = "written"

	// AlreadyRequested is that the Node asked for its reclaim before. What it says is
	// left alone: the first reason is the one that the controller acts on.
	AlreadyRequested Result = "already_requested"
)

// Nodes reads and patches Nodes.
type Nodes interface {
	Node(ctx context.Context, name string) (*corev1.Node, error)
	NodeMetadata(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error)
	PatchNode(ctx context.Context, name string, patch []byte) error
}

// Annotator writes the requests of one Node.
type Annotator struct {
	nodes     Nodes
	node      string
	checkHost func(machineID string) error
}

// New returns an Annotator for the named Node. Before every patch checkHost gets the
// machine-id that the Node reports; when it fails, nothing is written.
func New(nodes Nodes, node string, checkHost func(machineID string) error) *Annotator {
	return &Annotator{nodes: nodes, node: node, checkHost: checkHost}
}

// Request asks for the reclaim of the Node, unless that was asked already. The error is
// ErrWrongHost where the Node is not this machine, or else that of the API server.
func (a *Annotator) Request(ctx context.Context, request reclaim.Request) (Result, error) {
	node, err := a.nodes.Node(ctx, a.node)
	if err != nil {
		return "", fmt.Errorf("failed to get Node %s: %w", a.node, err)
	}
	if err := a.checkHost(node.Status.NodeInfo.MachineID); err != nil {
		return "", fmt.Errorf("%w: %w", ErrWrongHost, err)
	}
	if _, ok := reclaim.RequestOf(node.Annotations); ok {
		return AlreadyRequested, nil
	}
	patch, err := json.Marshal(patchOf(node.UID, request))
	if err != nil {
		return "", fmt.Errorf("failed to write down the patch of Node %s: %w", a.node, err)
	}
	if err := a.nodes.PatchNode(ctx, a.node, patch); err != nil {
		return "", fmt.Errorf("failed to annotate Node %s: %w", a.node, err)
	}
	return Written, nil
}

// patchOf names the UID, so that the API server refuses the patch when the Node was
// replaced by another machine's since it was checked.
func patchOf(uid types.UID, request reclaim.Request) any {
	type metadata struct {
		UID         types.UID         `json:"uid"`
		Annotations map[string]string `json:"annotations"`
	}
	return struct {
		Metadata metadata `json:"metadata"`
	}{metadata{uid, request.Annotations()}}
}

// Requested is whether the Node asks for its reclaim. A Node that does not exist asks
// for nothing.
func (a *Annotator) Requested(ctx context.Context) (bool, error) {
	node, err := a.nodes.NodeMetadata(ctx, a.node)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("failed to get Node %s: %w", a.node, err)
	}
	_, ok := reclaim.RequestOf(node.Annotations)
	return ok, nil
}
