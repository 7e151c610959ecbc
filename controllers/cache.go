package controllers

import (
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// newCache returns a cache that can be told what to hold of Machines before Cluster
// API is installed: it would ask the API server whether they are namespaced, and fail.
func newCache(config *rest.Config, opts cache.Options) (cache.Cache, error) {
	opts.Mapper = machineMapper{opts.Mapper}
	return cache.New(config, opts)
}

// machineMapper knows Machines without asking. It is for the cache only, which looks
// for no Machine before it is told to watch them: everybody else has to learn that
// they are not served.
type machineMapper struct{ meta.RESTMapper }

// RESTMapping returns how the API server calls a kind.
func (m machineMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	machine := clusterv1.GroupVersion.WithKind("Machine")
	if kind != machine.GroupKind() {
		return m.RESTMapper.RESTMapping(kind, versions...)
	}
	return &meta.RESTMapping{
		Resource:         clusterv1.GroupVersion.WithResource("machines"),
		GroupVersionKind: machine,
		Scope:            meta.RESTScopeNamespace,
	}, nil
}
