// Package watchconfig follows the ConfigMap that says what the agent on one Node looks
// for. An edit that cannot be read changes nothing: the last good one stays in force.
package watchconfig

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"

	"github.com/finos/five-spot/pkg/reclaim"
)

var (
	// errNoKey is a ConfigMap without the one key that counts.
	errNoKey = errors.New("key " + reclaim.ConfigKey + " is missing")

	// errUnknown is that the API server has not told yet what to look for.
	errUnknown = errors.New("it is not known yet what to look for")
)

// Observer is told what became of each version of the ConfigMap.
type Observer interface {
	// ConfigLoaded is that a Config came into force; it is empty when there is none.
	ConfigLoaded(config reclaim.Config)

	// ConfigRejected is that a text could not be read; the last good one stays.
	ConfigRejected(err error)
}

// Watcher follows one ConfigMap.
type Watcher struct {
	informer cache.Controller
	observer Observer
	configs  chan reclaim.Config
	seen     version
}

// version is what the ConfigMap said when it was last looked at.
type version struct {
	text   string
	exists bool
	lacks  bool
}

// New returns a Watcher of what the source lists, which is one ConfigMap or none.
func New(source cache.ListerWatcher, observer Observer) *Watcher {
	w := &Watcher{observer: observer, configs: make(chan reclaim.Config, 1)}
	_, w.informer = cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: source,
		ObjectType:    &corev1.ConfigMap{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    w.changed,
			UpdateFunc: func(_, object any) { w.changed(object) },
			DeleteFunc: func(any) { w.deleted() },
		},
	})
	return w
}

// Configs has the Config that is in force whenever that changes, and only the latest.
// An empty one says that there is nothing to look for.
func (w *Watcher) Configs() <-chan reclaim.Config { return w.configs }

// Run follows the ConfigMap until ctx ends. While the API server cannot be reached the
// last Config stays in force.
func (w *Watcher) Run(ctx context.Context) { w.informer.RunWithContext(ctx) }

// Known returns an error until it is known whether there is a ConfigMap. Without that
// nothing is looked for, and nobody would be told.
func (w *Watcher) Known() error {
	if !w.informer.HasSynced() {
		return errUnknown
	}
	return nil
}

func (w *Watcher) changed(object any) {
	configMap, ok := object.(*corev1.ConfigMap)
	if !ok {
		return
	}
	text, has := configMap.Data[reclaim.ConfigKey]
	if next := (version{text: text, exists: true, lacks: !has}); next != w.seen {
		w.seen = next
	} else {
		return
	}
	config, err := Parse(configMap)
	if err != nil {
		w.observer.ConfigRejected(err)
		return
	}
	w.deliver(config)
}

func (w *Watcher) deleted() {
	w.seen = version{}
	w.deliver(reclaim.Config{})
}

// deliver replaces a Config that nobody has taken yet.
func (w *Watcher) deliver(config reclaim.Config) {
	w.observer.ConfigLoaded(config)
	select {
	case <-w.configs:
	default:
	}
	w.configs <- config
}

// Parse reads the Config that a ConfigMap holds.
func Parse(configMap *corev1.ConfigMap) (reclaim.Config, error) {
	text, ok := configMap.Data[reclaim.ConfigKey]
	if !ok {
		return reclaim.Config{}, errNoKey
	}
	return reclaim.Parse(text)
}

// ConfigMaps reads ConfigMaps.
type ConfigMaps interface {
	ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
}

// Read reads the Config of a Node once. Without a ConfigMap it is empty.
func Read(ctx context.Context, configMaps ConfigMaps, namespace, node string) (reclaim.Config, error) {
	name := reclaim.ConfigMapName(node)
	configMap, err := configMaps.ConfigMap(ctx, namespace, name)
	if apierrors.IsNotFound(err) {
		return reclaim.Config{}, nil
	}
	if err != nil {
		return reclaim.Config{}, fmt.Errorf("failed to get ConfigMap %s/%s: %w", namespace, name, err)
	}
	config, err := Parse(configMap)
	if err != nil {
		return reclaim.Config{}, fmt.Errorf("failed to use ConfigMap %s/%s: %w", namespace, name, err)
	}
	return config, nil
}
