package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	// maxSecretValue bounds the value of a secretRef, in bytes. A Secret may hold eight
	// times as much, but several are read at the same time, and what a parser makes of
	// a value takes a hundred times its size.
	maxSecretValue = 128 << 10

	// maxSecretNesting bounds how deep objects and lists lie in each other.
	maxSecretNesting = 64
)

// What is wrong with a Secret's value. These stand for all that a parser has to say
// about it, which may quote it.
var (
	errSecretTooLarge  = errors.New("must have at most 131072 bytes")
	errSecretTooDeep   = errors.New("must have at most 64 levels")
	errSecretAliases   = errors.New("must not use YAML aliases")
	errSecretDocuments = errors.New("must be one YAML document")
	errSecretNotObject = errors.New("must be a YAML or JSON object")
	errSecretNamesHost = errors.New("must not have a " + providerIDField + ": only the provider may tell which host it is")

	secretRules = []error{errSecretTooLarge, errSecretTooDeep, errSecretAliases, errSecretDocuments, errSecretNotObject, errSecretNamesHost}
)

// secretContent is what a secretRef refers to.
type secretContent struct {
	value []byte

	// version is the resourceVersion of the Secret, which changes with its value and
	// tells nothing about it.
	version string
}

// secretOf reads what the secretRef of a part refers to; nil when there is none.
func (o *Objects) secretOf(ctx context.Context, namespace string, part *part) (*secretContent, *Problem, error) {
	ref, path := part.wanted.SecretRef, part.path.Child("secretRef")
	if ref == nil {
		return nil, nil, nil
	}
	secret := &corev1.Secret{}
	err := o.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, problemf(v1alpha1.SecretNotFoundReason, "%s: Secret %q does not exist", path, bounded(ref.Name)), nil
	case apierrors.IsForbidden(err):
		return nil, MissingRight("get", corev1.Resource("secrets"), namespace), nil
	case err != nil:
		return nil, nil, fmt.Errorf("failed to read Secret %s/%s: %w", namespace, ref.Name, err)
	case secret.Labels[v1alpha1.AllowSecretRefLabel] != "true":
		return nil, problemf(v1alpha1.SecretNotAllowedReason, "%s: Secret %q lacks the label %s: %q",
			path, bounded(ref.Name), v1alpha1.AllowSecretRefLabel, "true"), nil
	}
	value, ok := secret.Data[secretKey(ref)]
	if !ok {
		return nil, problemf(v1alpha1.SecretNotFoundReason, "%s: Secret %q has no key %q",
			path, bounded(ref.Name), bounded(secretKey(ref))), nil
	}
	return &secretContent{value: value, version: secret.ResourceVersion}, nil, nil
}

// secretKey is the key of ref, or its default.
func secretKey(ref *v1alpha1.SecretReference) string {
	if ref.Key == "" {
		return "spec"
	}
	return ref.Key
}

// secretObject is a Secret's value as a JSON object. The error is one of those above.
func secretObject(value []byte) (map[string]any, error) {
	if len(value) > maxSecretValue {
		return nil, errSecretTooLarge
	}
	if err := plainYAML(value); err != nil {
		return nil, err
	}
	document, err := sigsyaml.YAMLToJSONStrict(value)
	if err != nil {
		return nil, errSecretNotObject
	}
	object, err := jsonObject(document)
	switch {
	case err != nil:
		return nil, errSecretNotObject
	case object[providerIDField] != nil:
		return nil, errSecretNamesHost
	}
	return object, nil
}

// plainYAML refuses what would grow when it is converted to JSON: a few hundred aliases
// of a long string become gigabytes. It reads the text as a tree, in which they are not
// replaced yet.
func plainYAML(value []byte) error {
	documents := yaml.NewDecoder(bytes.NewReader(value))
	var tree, second yaml.Node
	if err := documents.Decode(&tree); err != nil {
		return errSecretNotObject
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		return errSecretDocuments
	}
	return plainNode(&tree, 0)
}

func plainNode(node *yaml.Node, depth int) error {
	switch {
	case node.Kind == yaml.AliasNode:
		return errSecretAliases
	// The document has depth 0, the object in it 1.
	case node.Kind != yaml.ScalarNode && depth > maxSecretNesting:
		return errSecretTooDeep
	}
	for _, child := range node.Content {
		if err := plainNode(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}
