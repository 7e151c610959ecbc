// Package apiclient is the few requests that the agent sends to its API server. It knows
// no other types than those, so that the agent fits into little memory.
package apiclient

import (
	"context"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	// patience bounds each request but the watch.
	patience = 10 * time.Second

	// metadataOnly asks for an object without spec and status: those of a Node are
	// large, and most requests are about its annotations.
	metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)

// Client sends requests to one API server. Except for the ConfigMap's it sends each once:
// who calls waits as long as is right before it tries again. It is safe for concurrent
// use.
type Client struct {
	core   rest.Interface
	events rest.Interface
}

// New returns a Client. The requests of one agent are few, so that no rate is limited
// here; every caller waits between attempts.
func New(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeJSON
	config.QPS = -1
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("failed to prepare the connection to the API server: %w", err)
	}
	core, err := restClient(config, transport, corev1.SchemeGroupVersion, "/api", corev1.AddToScheme)
	if err != nil {
		return nil, err
	}
	events, err := restClient(config, transport, eventsv1.SchemeGroupVersion, "/apis", eventsv1.AddToScheme)
	if err != nil {
		return nil, err
	}
	return &Client{core: core, events: events}, nil
}

func restClient(config *rest.Config, transport *http.Client, version schema.GroupVersion, path string, add func(*runtime.Scheme) error) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	utilruntime.Must(add(scheme))
	utilruntime.Must(metav1.AddMetaToScheme(scheme))
	config = rest.CopyConfig(config)
	config.GroupVersion = &version
	config.APIPath = path
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientForConfigAndClient(config, transport)
	if err != nil {
		return nil, fmt.Errorf("failed to make a client for %s: %w", version, err)
	}
	return client, nil
}

// Node reads a whole Node.
func (c *Client) Node(ctx context.Context, name string) (*corev1.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	node := &corev1.Node{}
	return node, c.core.Get().MaxRetries(0).Resource("nodes").Name(name).Do(ctx).Into(node)
}

// NodeMetadata reads a Node without its spec and status.
func (c *Client) NodeMetadata(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	node := &metav1.PartialObjectMetadata{}
	return node, c.core.Get().MaxRetries(0).Resource("nodes").Name(name).SetHeader("Accept", metadataOnly).Do(ctx).Into(node)
}

// PatchNode sends a merge patch in the name of the agent's field manager.
func (c *Client) PatchNode(ctx context.Context, name string, patch []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	options := &metav1.PatchOptions{FieldManager: v1alpha1.FieldManagerAgent}
	return c.core.Patch(types.MergePatchType).MaxRetries(0).Resource("nodes").Name(name).
		VersionedParams(options, metav1.ParameterCodec).SetHeader("Accept", metadataOnly).
		Body(patch).Do(ctx).Error()
}

// ConfigMap reads one ConfigMap.
func (c *Client) ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	configMap := &corev1.ConfigMap{}
	return configMap, c.core.Get().Namespace(namespace).Resource("configmaps").Name(name).Do(ctx).Into(configMap)
}

// WatchConfigMap lists and watches one ConfigMap. Its name is the only thing selected
// by, so that a right to this name alone is enough.
func (c *Client) WatchConfigMap(namespace, name string) cache.ListerWatcher {
	return cache.NewListWatchFromClient(c.core, "configmaps", namespace, fields.OneTermEqualSelector(metav1.ObjectNameField, name))
}

// CreateEvent creates an Event in the namespace that it names.
func (c *Client) CreateEvent(ctx context.Context, event *eventsv1.Event) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.events.Post().MaxRetries(0).Namespace(event.Namespace).Resource("events").Body(event).Do(ctx).Error()
}
