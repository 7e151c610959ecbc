package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/finos/five-spot/tools/images/licenses"
	"github.com/finos/five-spot/tools/images/oci"
	"github.com/finos/five-spot/tools/images/program"
	"github.com/finos/five-spot/tools/images/recipe"
)

// builder is the stage of the Dockerfile that rootfs stands for.
const builder = "build"

// rootfs is what the Dockerfile's build runs.
func rootfs(ctx context.Context, opts *options, _ io.Writer) error {
	if len(opts.platforms) != 1 {
		return errors.New("-platforms: must be one")
	}
	source, err := program.Open(ctx, opts.root, opts.version)
	if err != nil {
		return err
	}
	for _, p := range program.All {
		if _, err := fill(ctx, source, p, opts.platforms[0], filepath.Join(opts.output, p.Stage)); err != nil {
			return err
		}
	}
	return nil
}

// fill writes what is in the image of the program: itself, and its licences. It returns
// what is linked in.
func fill(ctx context.Context, source program.Source, p program.Program, platform program.Platform, folder string) ([]licenses.Module, error) {
	modules, err := licenses.Collect(ctx, source, p, platform)
	if err != nil {
		return nil, fmt.Errorf("failed to collect the licences of %s: %w", p.Name, err)
	}
	if err := licenses.Save(source, modules, filepath.Join(folder, "licenses")); err != nil {
		return nil, err
	}
	binary := filepath.Join(folder, p.Name)
	if err := source.Build(ctx, p, platform, binary); err != nil {
		return nil, err
	}
	return modules, licenses.Covers(binary, modules)
}

// layouts makes an image of each program for all platforms.
func layouts(ctx context.Context, opts *options, out io.Writer) error {
	created, err := creationTime(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	source, err := program.Open(ctx, opts.root, opts.version)
	if err != nil {
		return err
	}
	file, err := dockerfile(source)
	if err != nil {
		return err
	}
	for _, p := range program.All {
		wanted, err := file.Image(p.Stage, map[string]string{"VERSION": opts.version, "REVISION": opts.revision})
		if err != nil {
			return err
		}
		images := make([]v1.Image, len(opts.platforms))
		for i, platform := range opts.platforms {
			if images[i], err = buildOne(ctx, source, p, platform, wanted, created); err != nil {
				return err
			}
		}
		folder := filepath.Join(opts.output, p.Name)
		digest, err := oci.Write(folder, oci.Index(opts.platforms, images), "v"+opts.version)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %s\n", p.Name, digest)
	}
	return nil
}

// buildOne makes the image of one program for one platform.
func buildOne(ctx context.Context, source program.Source, p program.Program, platform program.Platform, wanted recipe.Image, created time.Time) (v1.Image, error) {
	built, err := os.MkdirTemp("", "five-spot-images-")
	if err != nil {
		return nil, fmt.Errorf("failed to make a folder: %w", err)
	}
	defer os.RemoveAll(built)
	if _, err := fill(ctx, source, p, platform, filepath.Join(built, "rootfs", p.Stage)); err != nil {
		return nil, err
	}
	return oci.Build(wanted, platform, map[string]string{builder: built}, created)
}

// dockerfile reads the Dockerfile, which must build with the same Go.
func dockerfile(source program.Source) (recipe.File, error) {
	opened, err := os.Open(filepath.Join(source.Root, "Dockerfile"))
	if err != nil {
		return recipe.File{}, fmt.Errorf("failed to open the Dockerfile: %w", err)
	}
	defer opened.Close()
	file, err := recipe.Parse(opened)
	if err != nil {
		return recipe.File{}, err
	}
	base, err := file.Base(builder)
	if err != nil {
		return recipe.File{}, err
	}
	if wanted := "golang:" + source.Toolchain()[len("go"):]; base != wanted {
		return recipe.File{}, fmt.Errorf("the Dockerfile builds from %s, but the toolchain in go.mod asks for %s", base, wanted)
	}
	return file, nil
}

// creationTime is when the images are said to have been made, in seconds since 1970.
func creationTime(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Unix(0, 0), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q: must be a number of seconds", epoch)
	}
	return time.Unix(seconds, 0), nil
}
