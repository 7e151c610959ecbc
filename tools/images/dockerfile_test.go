package main

import (
	"slices"
	"testing"

	"github.com/finos/five-spot/tools/images/program"
)

// What is read of the Dockerfile is in the images; here it is only whether it can be read,
// and builds with the Go of go.mod.
func TestTheDockerfileIsUnderstood(t *testing.T) {
	t.Parallel()
	source, err := program.Open(t.Context(), root, version)
	if err != nil {
		t.Fatal(err)
	}
	file, err := dockerfile(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range program.All {
		image, err := file.Image(p.Stage, map[string]string{"VERSION": version})
		if err != nil {
			t.Fatal(err)
		}
		var copied []string
		for _, c := range image.Copies {
			copied = append(copied, c.Source+" to "+c.Target)
		}
		if want := []string{"/rootfs/" + p.Stage + "/licenses to /licenses", "/rootfs/" + p.Stage + "/" + p.Name + " to /" + p.Name}; !slices.Equal(copied, want) {
			t.Errorf("%s: %q is copied", p.Name, copied)
		}
		// The default of the Dockerfile counts where no argument is given.
		plain, err := file.Image(p.Stage, nil)
		if err != nil || plain.Labels["version"] == "" || image.Labels["version"] != version {
			t.Errorf("%s: the versions are %q and %q, %v", p.Name, image.Labels["version"], plain.Labels["version"], err)
		}
	}
}
