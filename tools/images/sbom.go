package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/finos/five-spot/tools/images/bom"
	"github.com/finos/five-spot/tools/images/program"
)

// sbom writes what is in each program, for all platforms together.
func sbom(ctx context.Context, opts *options, out io.Writer) error {
	created, err := creationTime(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	source, err := program.Open(ctx, opts.root, opts.version)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(opts.output, 0o755); err != nil {
		return fmt.Errorf("failed to make the folder: %w", err)
	}
	for _, p := range program.All {
		contents := &bom.Contents{Program: p, Version: opts.version, Created: created}
		for _, platform := range opts.platforms {
			if err := addBinary(ctx, contents, source, platform); err != nil {
				return err
			}
		}
		for suffix, write := range map[string]func(io.Writer) error{".spdx.json": contents.WriteSPDX, ".cdx.json": contents.WriteCycloneDX} {
			if err := writeFile(filepath.Join(opts.output, p.Name+suffix), write); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "%s consists of %d modules\n", p.Name, len(contents.Modules))
	}
	return nil
}

func addBinary(ctx context.Context, contents *bom.Contents, source program.Source, platform program.Platform) error {
	built, err := os.MkdirTemp("", "five-spot-sbom-")
	if err != nil {
		return fmt.Errorf("failed to make a folder: %w", err)
	}
	defer os.RemoveAll(built)
	modules, err := fill(ctx, source, contents.Program, platform, built)
	if err != nil {
		return err
	}
	return contents.Add(platform, filepath.Join(built, contents.Program.Name), modules)
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("failed to write: %w", err)
	}
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("failed to write %s: %w", path, err)
	}
	return nil
}
