package rendered

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// RelatedImage is how the names of variables begin that hold an image.
const RelatedImage = "RELATED_IMAGE_"

// Image is an image that the Deployments name.
type Image struct {
	// Name is that of the container, or of the variable: reclaim-agent is that of
	// RELATED_IMAGE_RECLAIM_AGENT.
	Name string

	// Image is the reference.
	Image string
}

var digest = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)

// SetImages sets those images that are given, by their names. One that no Deployment
// names is an error.
func (o *Objects) SetImages(images map[string]string) error {
	found := map[string]bool{}
	if err := o.eachImage(func(name string, holder map[string]any, key string) error {
		if image := images[name]; image != "" {
			holder[key] = image
		}
		found[name] = true
		return nil
	}); err != nil {
		return err
	}
	for name := range images {
		if !found[name] {
			return fmt.Errorf("no Deployment names an image %s", name)
		}
	}
	return nil
}

// Images are all images that the Deployments name, in their order.
func (o *Objects) Images() ([]Image, error) {
	var images []Image
	seen := map[string]bool{}
	err := o.eachImage(func(name string, holder map[string]any, key string) error {
		image, ok := holder[key].(string)
		if !ok || image == "" {
			return fmt.Errorf("image %s: is empty", name)
		}
		if seen[name] {
			return fmt.Errorf("image %s: two containers or variables have this name", name)
		}
		seen[name] = true
		images = append(images, Image{Name: name, Image: image})
		return nil
	})
	return images, err
}

// RequireDigests is an error for each image that is not pinned by its digest.
func RequireDigests(images []Image) error {
	var errs []error
	for _, image := range images {
		if !digest.MatchString(image.Image) {
			errs = append(errs, fmt.Errorf("image %s: %q must end in @sha256: and a digest", image.Name, image.Image))
		}
	}
	return errors.Join(errs...)
}

// eachImage visits the field that holds an image.
func (o *Objects) eachImage(visit func(name string, holder map[string]any, key string) error) error {
	for _, deployment := range o.Deployments {
		for _, list := range []string{"initContainers", "containers"} {
			containers, err := at(deployment, "spec", "template", "spec", list)
			if err != nil {
				return err
			}
			for _, container := range containers {
				if err := eachImageOf(container, visit); err != nil {
					return fmt.Errorf("%s %s: %w", deployment.GetKind(), deployment.GetName(), err)
				}
			}
		}
	}
	return nil
}

func eachImageOf(container map[string]any, visit func(name string, holder map[string]any, key string) error) error {
	name, _ := container["name"].(string)
	if err := visit(name, container, "image"); err != nil {
		return err
	}
	variables, _ := container["env"].([]any)
	for _, item := range variables {
		variable, _ := item.(map[string]any)
		name, _ := variable["name"].(string)
		if suffix, ok := strings.CutPrefix(name, RelatedImage); ok {
			if err := visit(strings.ReplaceAll(strings.ToLower(suffix), "_", "-"), variable, "value"); err != nil {
				return err
			}
		}
	}
	return nil
}

// at is the list of objects at the path, itself and not a copy, or nothing.
func at(object *unstructured.Unstructured, path ...string) ([]map[string]any, error) {
	value, _, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	if err != nil {
		return nil, fmt.Errorf("failed to read %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	list, _ := value.([]any)
	objects := make([]map[string]any, 0, len(list))
	for i, item := range list {
		one, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s %s: %s[%d] is no object", object.GetKind(), object.GetName(), strings.Join(path, "."), i)
		}
		objects = append(objects, one)
	}
	return objects, nil
}
