package licenses

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/google/licenseclassifier/v2/assets"
)

// Allowed are the licences under which code may be linked in. All of them ask for no more
// than that their text comes with the program.
var Allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// ErrForbidden says that a licence is not in Allowed.
var ErrForbidden = errors.New("must not be linked in")

var known = sync.OnceValues(assets.DefaultClassifier)

// identify names the licences of a module.
func identify(module *Module) ([]string, error) {
	var found []string
	for name, text := range module.Files {
		if !license.MatchString(path.Base(name)) {
			continue
		}
		names, err := Identify(text)
		if err != nil {
			return nil, fmt.Errorf("%s@%s: %s: %w", module.Path, module.Version, name, err)
		}
		found = append(found, names...)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s@%s has no licence, and %w", module.Path, module.Version, ErrForbidden)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// Identify names the licences in a text by their SPDX identifiers. It fails for a text
// that it does not know, and for a licence that is not in Allowed.
func Identify(text []byte) ([]string, error) {
	names, err := namesIn(text)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("is no licence that is known, and %w", ErrForbidden)
	}
	if foreign := slices.DeleteFunc(slices.Clone(names), isAllowed); len(foreign) > 0 {
		return names, fmt.Errorf("is under %s, and %w", strings.Join(foreign, ", "), ErrForbidden)
	}
	return names, nil
}

// matched has the names for texts that were looked at: the same are in many modules, and
// in the programs for each platform.
var matched sync.Map

func namesIn(text []byte) ([]string, error) {
	sum := sha256.Sum256(text)
	if names, found := matched.Load(sum); found {
		return names.([]string), nil //nolint:errcheck // Nothing else is in there.
	}
	c, err := known()
	if err != nil {
		return nil, fmt.Errorf("failed to load the known licences: %w", err)
	}
	var names []string
	for _, match := range c.Match(text).Matches {
		if match.MatchType == "License" && !slices.Contains(names, match.Name) {
			names = append(names, match.Name)
		}
	}
	slices.Sort(names)
	matched.Store(sum, names)
	return names, nil
}

func isAllowed(name string) bool { return slices.Contains(Allowed, name) }
