// Package console is what the OpenShift console shows of 5-Spot: samples of
// ScheduledMachines, and a quick start.
package console

import (
	"embed"
	"fmt"
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// YAMLSamples and QuickStarts are the plurals of the kinds.
const (
	YAMLSamples = "consoleyamlsamples"
	QuickStarts = "consolequickstarts"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Samples are the samples, in the order of their files.
func Samples() ([]*unstructured.Unstructured, error) { return read("manifests/*_sample.yaml") }

// QuickStart is the quick start.
func QuickStart() (*unstructured.Unstructured, error) {
	objects, err := read("manifests/quick_start.yaml")
	if err != nil {
		return nil, err
	}
	return objects[0], nil
}

func read(pattern string) ([]*unstructured.Unstructured, error) {
	files, err := fs.Glob(manifests, pattern)
	if err != nil {
		return nil, fmt.Errorf("failed to look for %s: %w", pattern, err)
	}
	var objects []*unstructured.Unstructured
	for _, file := range files {
		text, err := manifests.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("failed to read the manifest %s: %w", file, err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(text, &object.Object); err != nil {
			return nil, fmt.Errorf("failed to parse the manifest %s: %w", file, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}
