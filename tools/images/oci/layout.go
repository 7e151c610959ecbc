package oci

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// tagAnnotation names an image in a layout.
const tagAnnotation = "org.opencontainers.image.ref.name"

// Write replaces the folder by an OCI layout that holds the index alone, under the tag,
// and returns the index's digest.
func Write(folder string, index v1.ImageIndex, tag string) (v1.Hash, error) {
	if err := os.RemoveAll(folder); err != nil {
		return v1.Hash{}, fmt.Errorf("failed to remove the last layout: %w", err)
	}
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("failed to start the layout: %w", err)
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{tagAnnotation: tag})); err != nil {
		return v1.Hash{}, fmt.Errorf("failed to write the layout: %w", err)
	}
	return index.Digest()
}

// Read returns the index that a layout holds.
func Read(folder string) (v1.ImageIndex, error) {
	top, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, fmt.Errorf("failed to read the layout: %w", err)
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("failed to read the layout: %w", err)
	}
	if len(manifest.Manifests) != 1 {
		return nil, errors.New("the layout must hold one image")
	}
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		return nil, fmt.Errorf("failed to read the layout: %w", err)
	}
	return index, nil
}

// Push sends what the layout holds to a registry, as whom the Docker configuration says,
// and returns the reference with the digest in it.
func Push(ctx context.Context, folder, reference string) (name.Digest, error) {
	tag, err := name.NewTag(reference)
	if err != nil {
		return name.Digest{}, fmt.Errorf("failed to push: %w", err)
	}
	index, err := Read(folder)
	if err != nil {
		return name.Digest{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return name.Digest{}, fmt.Errorf("failed to read the digest: %w", err)
	}
	if err := remote.WriteIndex(tag, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return name.Digest{}, fmt.Errorf("failed to push %s: %w", tag, err)
	}
	return tag.Context().Digest(digest.String()), nil
}
