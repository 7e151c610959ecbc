// Package oci makes images and writes them as OCI layouts. The same files give the same
// digests.
package oci

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// newLayer holds the file, or what is in the folder, at the target. All of it belongs to
// root and is as old as created says; files can be read by everyone, and executed if their
// owner may.
func newLayer(source, target string, created time.Time) (v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	target = strings.Trim(path.Clean(target), "/")
	for _, folder := range parents(target) {
		if err := w.WriteHeader(header(folder+"/", tar.TypeDir, 0o755, 0, created)); err != nil {
			return nil, fmt.Errorf("failed to archive %s: %w", folder, err)
		}
	}
	// It goes through each folder in the order of names.
	err := filepath.WalkDir(source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		return add(w, name, path.Join(target, filepath.ToSlash(inside)), entry, created)
	})
	if err != nil {
		return nil, fmt.Errorf("failed to archive %s: %w", source, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("failed to archive %s: %w", source, err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, fmt.Errorf("failed to make a layer of %s: %w", source, err)
	}
	return layer, nil
}

// parents are the folders above the target, the outermost first.
func parents(target string) []string {
	var folders []string
	for i, r := range target {
		if r == '/' {
			folders = append(folders, target[:i])
		}
	}
	return folders
}

func add(w *tar.Writer, name, target string, entry fs.DirEntry, created time.Time) error {
	if entry.IsDir() {
		return w.WriteHeader(header(target+"/", tar.TypeDir, 0o755, 0, created))
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a folder", name)
	}
	mode := int64(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	if err := w.WriteHeader(header(target, tar.TypeReg, mode, info.Size(), created)); err != nil {
		return err
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}

func header(name string, kind byte, mode, size int64, created time.Time) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: mode, Size: size, ModTime: created}
}
