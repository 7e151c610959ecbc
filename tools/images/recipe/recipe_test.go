package recipe_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/finos/five-spot/tools/images/recipe"
)

const builds = "FROM golang:1.26.8 AS build\nRUN make\n"

func TestAStageBecomesAnImage(t *testing.T) {
	t.Parallel()
	file, err := recipe.Parse(strings.NewReader(builds + `
FROM scratch AS manager
ARG VERSION=0.1.0
ARG OTHER=other
LABEL version="$VERSION" \
      title="five ${OTHER}"
COPY --from=build /rootfs/licenses /licenses
COPY --from=build /rootfs/program /program
USER 65532:65532
ENTRYPOINT ["/program", "--flag"]
`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := file.Image("manager", map[string]string{"VERSION": "1.2.3", "UNUSED": "x"})
	if err != nil {
		t.Fatal(err)
	}
	want := recipe.Image{
		Labels:     map[string]string{"version": "1.2.3", "title": "five other"},
		User:       "65532:65532",
		Entrypoint: []string{"/program", "--flag"},
		Copies: []recipe.Copy{
			{From: "build", Source: "/rootfs/licenses", Target: "/licenses"},
			{From: "build", Source: "/rootfs/program", Target: "/program"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if base, err := file.Base("build"); err != nil || base != "golang:1.26.8" {
		t.Errorf("the base is %q, %v", base, err)
	}
}

// Whatever else a Dockerfile may say would be missing from the image.
func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ stage, complaint string }{
		"another base":                {"FROM alpine AS manager", "only FROM scratch"},
		"a platform":                  {"FROM --platform=linux/amd64 scratch AS manager", "only FROM scratch"},
		"another name":                {"FROM scratch AS other", "no stage manager"},
		"a command to run":            {"FROM scratch AS manager\nRUN make", "line 4: RUN is not supported"},
		"a variable":                  {"FROM scratch AS manager\nENV A=b", "ENV is not supported"},
		"a command":                   {"FROM scratch AS manager\nCMD [\"x\"]", "CMD is not supported"},
		"a port":                      {"FROM scratch AS manager\nEXPOSE 80", "EXPOSE is not supported"},
		"an entrypoint for a shell":   {"FROM scratch AS manager\nENTRYPOINT /program", "there is no shell"},
		"a copy from the context":     {"FROM scratch AS manager\nCOPY LICENSE /LICENSE", "only --from"},
		"a copy with an owner":        {"FROM scratch AS manager\nCOPY --from=build --chown=1 /a /b", "only --from"},
		"a copy with a mode":          {"FROM scratch AS manager\nCOPY --from=build --chmod=777 /a /b", "only --from"},
		"a copy of two":               {"FROM scratch AS manager\nCOPY --from=build /a /b /c/", "only --from"},
		"an argument without a value": {"FROM scratch AS manager\nARG NAME", "ARG NAME has no value"},
		"an argument that is unknown": {"FROM scratch AS manager\nLABEL a=$NAME", "no ARG declares"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := recipe.Parse(strings.NewReader(builds + c.stage + "\n"))
			if err == nil {
				_, err = file.Image("manager", nil)
			}
			if err == nil || !strings.Contains(err.Error(), c.complaint) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := recipe.Parse(strings.NewReader("ARG A=b\nFROM scratch")); err == nil {
		t.Error("an argument of the whole file is understood")
	}
}
