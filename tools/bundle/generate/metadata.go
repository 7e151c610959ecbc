package generate

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Package is the name of the operator in catalogs.
const Package = "five-spot"

const scorecardPath = "tests/scorecard/"

// annotations say what is where in a bundle. Those of OLM are also labels of its image,
// which must be equal.
var annotations = map[string]string{
	"operators.operatorframework.io.bundle.mediatype.v1":       "registry+v1",
	"operators.operatorframework.io.bundle.manifests.v1":       "manifests/",
	"operators.operatorframework.io.bundle.metadata.v1":        "metadata/",
	"operators.operatorframework.io.bundle.package.v1":         Package,
	"operators.operatorframework.io.bundle.channels.v1":        "stable,candidate",
	"operators.operatorframework.io.bundle.channel.default.v1": "stable",
	"operators.operatorframework.io.test.mediatype.v1":         "scorecard+v1",
	"operators.operatorframework.io.test.config.v1":            scorecardPath,
	// That release and later ones: the first with Kubernetes 1.30, which has the policies.
	"com.redhat.openshift.versions": "v4.17",
}

func annotationsFile() []byte {
	text := bytes.NewBufferString("annotations:\n")
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		fmt.Fprintf(text, "  %s: %s\n", key, annotations[key])
	}
	return text.Bytes()
}

// copies are the folders of an image, with where the Dockerfile takes them from.
var copies = map[string]string{"/manifests/": "bundle/manifests", "/metadata/": "bundle/metadata", "/" + scorecardPath: "bundle/tests/scorecard"}

// CheckDockerfile is an error for each label that is not the annotation of its name, and
// for each folder that the image would lack.
func CheckDockerfile(text string) error {
	labels, found := map[string]string{}, map[string]string{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && words[0] == "LABEL":
			key, value, _ := strings.Cut(words[1], "=")
			labels[key] = strings.Trim(value, `"`)
		case len(words) == 3 && words[0] == "COPY":
			found[words[2]] = words[1]
		}
	}
	return errors.Join(compare("LABEL", annotations, labels), compare("COPY to", copies, found))
}

func compare(what string, want, got map[string]string) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			errs = append(errs, fmt.Errorf("bundle.Dockerfile: %s %s: is %q instead of %q", what, key, got[key], want[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			errs = append(errs, fmt.Errorf("bundle.Dockerfile: %s %s: is not part of a bundle", what, key))
		}
	}
	return errors.Join(errs...)
}
