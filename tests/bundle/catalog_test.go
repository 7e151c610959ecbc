package bundle_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const catalogFolder = root + "/config/catalog"

// catalog is what a file-based catalog consists of.
type catalog struct {
	packages []catalogPackage
	channels map[string][]channelEntry
	bundles  map[string]catalogBundle
}

type catalogPackage struct {
	Schema         string `json:"schema"`
	Name           string `json:"name"`
	DefaultChannel string `json:"defaultChannel"`
	Description    string `json:"description"`
	Icon           struct {
		Data      string `json:"base64data"`
		MediaType string `json:"mediatype"`
	} `json:"icon"`
}

type channelEntry struct {
	Name      string   `json:"name"`
	Replaces  string   `json:"replaces"`
	Skips     []string `json:"skips"`
	SkipRange string   `json:"skipRange"`
}

type relatedImage struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}

type catalogBundle struct {
	Schema     string `json:"schema"`
	Name       string `json:"name"`
	Package    string `json:"package"`
	Image      string `json:"image"`
	Properties []struct {
		Type  string         `json:"type"`
		Value map[string]any `json:"value"`
	} `json:"properties"`
	RelatedImages []relatedImage `json:"relatedImages"`
}

// values are those of the properties of a type.
func (b *catalogBundle) values(kind string) []map[string]any {
	var values []map[string]any
	for _, property := range b.Properties {
		if property.Type == kind {
			values = append(values, property.Value)
		}
	}
	return values
}

func readCatalog(t *testing.T) *catalog {
	t.Helper()
	read := &catalog{channels: map[string][]channelEntry{}, bundles: map[string]catalogBundle{}}
	for _, blob := range readFolder(t, catalogFolder) {
		switch schema := blob.Object["schema"]; schema {
		case "olm.package":
			read.packages = append(read.packages, strictly[catalogPackage](t, blob.Object))
		case "olm.channel":
			channel := strictly[struct {
				Schema  string         `json:"schema"`
				Package string         `json:"package"`
				Name    string         `json:"name"`
				Entries []channelEntry `json:"entries"`
			}](t, blob.Object)
			if channel.Package != packageName(t) || read.channels[channel.Name] != nil {
				t.Errorf("a channel %s of package %s", channel.Name, channel.Package)
			}
			read.channels[channel.Name] = channel.Entries
		case "olm.bundle":
			bundle := strictly[catalogBundle](t, blob.Object)
			read.bundles[bundle.Name] = bundle
		default:
			t.Errorf("%v is nothing that belongs in the catalog", schema)
		}
	}
	return read
}

// strictly reads an object, which may have no field but those of T.
func strictly[T any](t *testing.T, object map[string]any) T {
	t.Helper()
	var read T
	text, err := yaml.Marshal(object)
	if err == nil {
		err = yaml.UnmarshalStrict(text, &read)
	}
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// annotation is what the bundle says about itself.
func annotation(t *testing.T, key string) string {
	t.Helper()
	metadata := struct {
		Annotations map[string]string `json:"annotations"`
	}{}
	if err := yaml.Unmarshal([]byte(readText(t, filepath.Join(root, "bundle", "metadata", "annotations.yaml"))), &metadata); err != nil {
		t.Fatal(err)
	}
	return metadata.Annotations["operators.operatorframework.io.bundle."+key]
}

func packageName(t *testing.T) string {
	t.Helper()
	return annotation(t, "package.v1")
}

func TestTheCatalogHasThePackageAndTheChannelsOfTheBundle(t *testing.T) {
	t.Parallel()
	read := readCatalog(t)
	if len(read.packages) != 1 {
		t.Fatalf("%d packages", len(read.packages))
	}
	pkg := read.packages[0]
	if pkg.Name != packageName(t) || pkg.DefaultChannel != annotation(t, "channel.default.v1") || pkg.Description == "" {
		t.Errorf("package %s, default channel %s, description %q", pkg.Name, pkg.DefaultChannel, pkg.Description)
	}
	icons, _, err := unstructured.NestedSlice(rawCSV(t).Object, "spec", "icon")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"base64data": pkg.Icon.Data, "mediatype": pkg.Icon.MediaType}
	if diff := cmp.Diff([]any{want}, icons); diff != "" {
		t.Errorf("the icon is not that of the bundle (-package +bundle):\n%s", diff)
	}
	channels := slices.Sorted(strings.SplitSeq(annotation(t, "channels.v1"), ","))
	if diff := cmp.Diff(channels, slices.Sorted(maps.Keys(read.channels))); diff != "" {
		t.Errorf("channels (-bundle +catalog):\n%s", diff)
	}
}

// A version that is no longer in a channel is one that nobody can upgrade from.
func TestEveryChannelLeadsFromTheFirstVersionToTheBundle(t *testing.T) {
	t.Parallel()
	read := readCatalog(t)
	for name, entries := range read.channels {
		replaced := map[string]bool{}
		var first []string
		for _, entry := range entries {
			if _, ok := read.bundles[entry.Name]; !ok {
				t.Errorf("%s: %s is no bundle", name, entry.Name)
			}
			if entry.Replaces == "" {
				first = append(first, entry.Name)
			} else if _, ok := read.bundles[entry.Replaces]; !ok {
				t.Errorf("%s: %s replaces %s, which is no bundle", name, entry.Name, entry.Replaces)
			}
			replaced[entry.Replaces] = true
			if len(entries) == 1 && (entry.SkipRange != "" || len(entry.Skips) > 0) {
				t.Errorf("%s: there is nothing that %s could skip", name, entry.Name)
			}
		}
		var heads []string
		for _, entry := range entries {
			if !replaced[entry.Name] {
				heads = append(heads, entry.Name)
			}
		}
		if len(first) != 1 || !slices.Equal(heads, []string{rawCSV(t).GetName()}) {
			t.Errorf("%s: leads from %v to %v", name, first, heads)
		}
	}
}

// version is that of the bundle, as OLM compares it.
func (b *catalogBundle) version(t *testing.T) semver.Version {
	t.Helper()
	for _, value := range b.values("olm.package") {
		if text, ok := value["version"].(string); ok {
			return semver.MustParse(text)
		}
	}
	t.Fatalf("%s has no version", b.Name)
	return semver.Version{}
}

// OLM believes any range, also one that it cannot read or that leads back.
func TestASkipRangeCoversOnlyVersionsOfItsChannel(t *testing.T) {
	t.Parallel()
	read := readCatalog(t)
	var known []semver.Version
	for _, bundle := range read.bundles {
		known = append(known, bundle.version(t))
	}
	for name, entries := range read.channels {
		var channel []semver.Version
		for _, entry := range entries {
			bundle := read.bundles[entry.Name]
			channel = append(channel, bundle.version(t))
		}
		for i, entry := range entries {
			for _, complaint := range skipRange(entry.SkipRange, channel[i], channel, known) {
				t.Errorf("%s: %s: %s", name, entry.Name, complaint)
			}
		}
	}
}

// skipRange is what is wrong with a range of versions from which OLM goes straight to an
// entry, in a channel and in a catalog that has further versions.
func skipRange(text string, own semver.Version, channel, known []semver.Version) []string {
	if text == "" {
		return nil
	}
	covers, err := semver.ParseRange(text)
	if err != nil {
		return []string{err.Error()}
	}
	var complaints []string
	if covers(own) {
		complaints = append(complaints, "it covers the version itself")
	}
	for _, later := range []semver.Version{{Major: own.Major, Minor: own.Minor, Patch: own.Patch + 1}, {Major: own.Major, Minor: own.Minor + 1}, {Major: own.Major + 1}} {
		if covers(later) {
			complaints = append(complaints, "it covers the later version "+later.String())
		}
	}
	for _, version := range known {
		if covers(version) && !slices.ContainsFunc(channel, version.Equals) {
			complaints = append(complaints, "it covers "+version.String()+", which is not in the channel")
		}
	}
	covered := slices.DeleteFunc(slices.Clone(channel), func(version semver.Version) bool { return !covers(version) })
	if len(covered) == 0 {
		return append(complaints, "it covers no version of the channel")
	}
	// What comes before the oldest that it covers was not released in the channel, or is
	// not meant.
	oldest := slices.MinFunc(covered, semver.Version.Compare)
	for _, earlier := range []semver.Version{{}, {Major: oldest.Major}, {Major: oldest.Major, Minor: oldest.Minor}, {Major: oldest.Major, Minor: max(oldest.Minor, 1) - 1}} {
		if earlier.LT(oldest) && covers(earlier) {
			complaints = append(complaints, "it covers "+earlier.String()+", which is before all of the channel")
		}
	}
	return complaints
}

func TestNonsenseIsNoSkipRange(t *testing.T) {
	t.Parallel()
	versions := func(texts ...string) []semver.Version {
		var parsed []semver.Version
		for _, text := range texts {
			parsed = append(parsed, semver.MustParse(text))
		}
		return parsed
	}
	channel := versions("0.2.0", "0.3.0", "0.4.0")
	known := append(versions("0.1.0", "0.3.1-rc.1"), channel...)
	for text, want := range map[string]string{
		"":                            "",
		">=0.2.0 <0.4.0 !0.3.1-rc.1":  "",
		"0.2.0 || 0.3.0":              "",
		"0.3.0":                       "",
		"anything before":             "Could not get version",
		">=0.2.0 <=0.4.0 !0.3.1-rc.1": "it covers the version itself",
		">=0.2.0 !0.4.0 !0.3.1-rc.1":  "it covers the later version 0.4.1",
		">=0.2.0 <0.4.0":              "it covers 0.3.1-rc.1, which is not in the channel",
		">=0.1.0 <0.3.0":              "it covers 0.1.0, which is not in the channel",
		"<0.3.0 !0.1.0":               "it covers 0.0.0, which is before all of the channel",
		">=0.2.1 <0.3.0":              "it covers no version of the channel",
		">0.4.0 <0.3.0":               "it covers no version of the channel",
	} {
		complaints := strings.Join(skipRange(text, channel[2], channel, known), "; ")
		if want == "" && complaints != "" || !strings.Contains(complaints, want) {
			t.Errorf("%q: %q is not %q", text, complaints, want)
		}
	}
}

// metadata is where the catalog takes what the console shows from, in the spec of the
// ClusterServiceVersion.
var metadata = map[string]string{
	"apiServiceDefinitions": "apiservicedefinitions",
	"crdDescriptions":       "customresourcedefinitions",
	"description":           "description",
	"displayName":           "displayName",
	"installModes":          "installModes",
	"keywords":              "keywords",
	"links":                 "links",
	"maintainers":           "maintainers",
	"maturity":              "maturity",
	"minKubeVersion":        "minKubeVersion",
	"nativeAPIs":            "nativeAPIs",
	"provider":              "provider",
}

func TestTheCatalogShowsWhatIsInTheBundle(t *testing.T) {
	t.Parallel()
	raw := rawCSV(t)
	bundle, ok := readCatalog(t).bundles[raw.GetName()]
	if !ok {
		t.Fatalf("run make catalog: the catalog has no %s", raw.GetName())
	}
	spec, _, err := unstructured.NestedMap(raw.Object, "spec")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"annotations": raw.Object["metadata"].(map[string]any)["annotations"], "labels": raw.Object["metadata"].(map[string]any)["labels"]}
	for key, field := range metadata {
		want[key] = spec[field]
	}
	if want["apiServiceDefinitions"] == nil {
		want["apiServiceDefinitions"] = map[string]any{}
	}
	shown := bundle.values("olm.csv.metadata")
	if diff := cmp.Diff([]map[string]any{want}, shown); diff != "" {
		t.Errorf("run make catalog (-bundle +catalog):\n%s", diff)
	}
	packages := []map[string]any{{"packageName": packageName(t), "version": spec["version"]}}
	if diff := cmp.Diff(packages, bundle.values("olm.package")); diff != "" || bundle.Package != packageName(t) {
		t.Errorf("run make catalog: package %s (-bundle +catalog):\n%s", bundle.Package, diff)
	}
	var kinds []map[string]any
	for _, object := range readFolder(t, manifests) {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		versions, _, _ := unstructured.NestedSlice(object.Object, "spec", "versions")
		kind, _, _ := unstructured.NestedString(object.Object, "spec", "names", "kind")
		group, _, _ := unstructured.NestedString(object.Object, "spec", "group")
		for _, version := range versions {
			kinds = append(kinds, map[string]any{"group": group, "kind": kind, "version": version.(map[string]any)["name"]})
		}
	}
	if diff := cmp.Diff(kinds, bundle.values("olm.gvk")); diff != "" || len(kinds) == 0 {
		t.Errorf("run make catalog (-bundle +catalog):\n%s", diff)
	}
	if len(bundle.Properties) != 2+len(kinds) {
		t.Errorf("the bundle has other properties, too: %d in all", len(bundle.Properties))
	}
}

// A mirror for a cluster without a way out copies what is listed in the catalog.
func TestTheCatalogListsEveryImageAndNamesNoRegistry(t *testing.T) {
	t.Parallel()
	name := rawCSV(t).GetName()
	bundle := readCatalog(t).bundles[name]
	if want := packageName(t) + "-bundle:" + strings.TrimPrefix(name, packageName(t)+"."); bundle.Image != want {
		t.Errorf("the image of the bundle is %q instead of %q", bundle.Image, want)
	}
	listed := []string{}
	for _, related := range bundle.RelatedImages {
		listed = append(listed, related.Image)
		if strings.Contains(related.Image, "/") {
			t.Errorf("%s names a registry", related.Image)
		}
	}
	slices.Sort(listed)
	want := append(readCSV(t).relatedImages(), bundle.Image)
	slices.Sort(want)
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("run make catalog (-want +got):\n%s", diff)
	}
}
