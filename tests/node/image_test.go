package node_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// writeImage writes an image that holds nothing but one program, as an archive that
// containerd imports under the name.
func writeImage(archive, name, program string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("failed to read the program of image %s: %w", name, err)
	}
	entrypoint := "/" + filepath.Base(program)
	layer, err := tarball([]file{{filepath.Base(program), content}})
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"os": "linux", "architecture": runtime.GOARCH,
		"config": map[string]any{"Entrypoint": []string{entrypoint}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return fmt.Errorf("failed to describe image %s: %w", name, err)
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": digest(config) + ".json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return fmt.Errorf("failed to describe image %s: %w", name, err)
	}
	image, err := tarball([]file{{digest(config) + ".json", config}, {"layer.tar", layer}, {"manifest.json", manifest}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(archive, image, 0o600); err != nil {
		return fmt.Errorf("failed to write image %s: %w", name, err)
	}
	return nil
}

type file struct {
	name    string
	content []byte
}

func tarball(files []file) ([]byte, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o755, Size: int64(len(f.content))}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("failed to archive %s: %w", f.name, err)
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, fmt.Errorf("failed to archive %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("failed to archive: %w", err)
	}
	return archive.Bytes(), nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
