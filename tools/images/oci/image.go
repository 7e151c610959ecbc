package oci

import (
	"fmt"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/finos/five-spot/tools/images/program"
	"github.com/finos/five-spot/tools/images/recipe"
)

// Build makes the image for a platform. What the recipe copies comes from the folder of
// its stage of origin.
func Build(r recipe.Image, platform program.Platform, stages map[string]string, created time.Time) (v1.Image, error) {
	created = created.UTC()
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: platform.OS, Architecture: platform.Architecture, Created: v1.Time{Time: created},
		Config: v1.Config{Labels: r.Labels, User: r.User, Entrypoint: r.Entrypoint},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
	})
	if err != nil {
		return nil, fmt.Errorf("failed to describe the image: %w", err)
	}
	image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, step := range r.Copies {
		folder, found := stages[step.From]
		if !found {
			return nil, fmt.Errorf("COPY --from=%s: there is no such stage", step.From)
		}
		layer, err := newLayer(filepath.Join(folder, filepath.FromSlash(step.Source)), step.Target, created)
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, MediaType: types.OCILayer, History: v1.History{
			Created: v1.Time{Time: created}, CreatedBy: "COPY " + step.Source + " " + step.Target,
		}})
		if err != nil {
			return nil, fmt.Errorf("failed to add a layer: %w", err)
		}
	}
	return image, nil
}

// Index joins the images of one program for several platforms, in the order of the
// platforms.
func Index(platforms []program.Platform, images []v1.Image) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, platform := range platforms {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        images[i],
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: platform.OS, Architecture: platform.Architecture}},
		})
	}
	return index
}
