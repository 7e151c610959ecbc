package check

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/api/pkg/manifests"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/crdify/pkg/config"
	"sigs.k8s.io/crdify/pkg/runner"
	"sigs.k8s.io/crdify/pkg/validations"
	"sigs.k8s.io/crdify/pkg/validations/property"
	"sigs.k8s.io/yaml"
)

// Upgrade tells what of the bundle's CustomResourceDefinitions OLM would refuse where the
// last released version is installed. That is the newest one which is not newer than the
// bundle: as long as the bundle has the version of a release, it must agree with that.
func Upgrade(folder string, released fs.FS) ([]Finding, error) {
	bundle, err := manifests.GetBundleFromDir(folder)
	if err != nil {
		return nil, fmt.Errorf("failed to load the bundle: %w", err)
	}
	versions, err := releases(released)
	if err != nil {
		return nil, err
	}
	versions = slices.DeleteFunc(versions, func(v semver.Version) bool { return v.GT(bundle.CSV.Spec.Version.Version) })
	if len(versions) == 0 {
		return nil, fmt.Errorf("no version was released before %s", bundle.CSV.Spec.Version)
	}
	last := versions[len(versions)-1]
	from, err := releasedCRDs(released, last)
	if err != nil {
		return nil, err
	}
	return unsafeChanges(fmt.Sprintf("from v%s", last), from, bundle.V1CRDs)
}

// Released tells the same of each released version and the one before.
func Released(released fs.FS) ([]Finding, error) {
	versions, err := releases(released)
	if err != nil {
		return nil, err
	}
	var (
		findings []Finding
		from     []*apiextensionsv1.CustomResourceDefinition
	)
	for i, version := range versions {
		to, err := releasedCRDs(released, version)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			found, err := unsafeChanges(fmt.Sprintf("from v%s to v%s", versions[i-1], version), from, to)
			if err != nil {
				return nil, err
			}
			findings = append(findings, found...)
		}
		from = to
	}
	return findings, nil
}

// releases are the versions in the folder, the oldest first.
func releases(released fs.FS) ([]semver.Version, error) {
	folders, err := fs.Glob(released, "v*")
	if err != nil {
		return nil, fmt.Errorf("failed to look for releases: %w", err)
	}
	versions := make([]semver.Version, len(folders))
	for i, folder := range folders {
		if versions[i], err = semver.Parse(strings.TrimPrefix(folder, "v")); err != nil {
			return nil, fmt.Errorf("%s is no version: %w", folder, err)
		}
	}
	slices.SortFunc(versions, semver.Version.Compare)
	return versions, nil
}

func releasedCRDs(released fs.FS, version semver.Version) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	files, err := fs.Glob(released, path.Join("v"+version.String(), "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("v%s has no definitions: %w", version, errors.Join(err, fs.ErrNotExist))
	}
	crds := make([]*apiextensionsv1.CustomResourceDefinition, len(files))
	for i, file := range files {
		text, err := fs.ReadFile(released, file)
		if err != nil {
			return nil, fmt.Errorf("failed to read a released definition: %w", err)
		}
		crds[i] = &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(text, crds[i]); err != nil {
			return nil, fmt.Errorf("failed to read %s: %w", file, err)
		}
		// The API server would say so: what a release stores may be there.
		for _, version := range crds[i].Spec.Versions {
			if version.Storage {
				crds[i].Status.StoredVersions = append(crds[i].Status.StoredVersions, version.Name)
			}
		}
	}
	return crds, nil
}

// safety is how operator-controller, which is OLM v1, has its library judge: a description
// may change, an enum may get values, and what the library does not know is refused.
var safety = &config.Config{
	Conversion:           config.ConversionPolicyIgnore,
	UnhandledEnforcement: config.EnforcementPolicyError,
	Validations: []config.ValidationConfig{
		{Name: "description", Enforcement: config.EnforcementPolicyNone},
		{
			Name:          "enum",
			Enforcement:   config.EnforcementPolicyError,
			Configuration: map[string]any{"additionPolicy": property.AdditionPolicyAllow},
		},
	},
}

// unsafeChanges are those that could make an object invalid which is there, or mean
// something else, each with its place.
func unsafeChanges(step string, from, to []*apiextensionsv1.CustomResourceDefinition) ([]Finding, error) {
	judge, err := runner.New(safety, runner.DefaultRegistry())
	if err != nil {
		return nil, fmt.Errorf("failed to set up the comparison: %w", err)
	}
	var findings []Finding
	for _, old := range from {
		place := step + ": " + old.Name
		i := slices.IndexFunc(to, func(crd *apiextensionsv1.CustomResourceDefinition) bool { return crd.Name == old.Name })
		if i < 0 {
			findings = append(findings, unsafe(place, "the definition is gone"))
			continue
		}
		results := judge.Run(old, to[i])
		findings = append(findings, errorsOf(place, results.CRDValidation)...)
		for _, compared := range slices.Concat(results.SameVersionValidation, results.ServedVersionValidation) {
			for _, found := range compared.PropertyComparisons {
				findings = append(findings, errorsOf(place+": "+compared.Version+": "+found.Property, found.ComparisonResults)...)
			}
		}
	}
	return findings, nil
}

func errorsOf(place string, results []validations.ComparisonResult) []Finding {
	var findings []Finding
	for _, result := range results {
		for _, text := range result.Errors {
			findings = append(findings, unsafe(place, result.Name+": "+text))
		}
	}
	return findings
}

func unsafe(place, text string) Finding {
	return Finding{Check: "crd-upgrade-safety", Text: place + ": " + text}
}
