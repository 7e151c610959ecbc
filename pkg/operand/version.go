package operand

import (
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/finos/five-spot/api/v1alpha1"
)

// ErrNewerInstalled is that a newer manager wrote the object, which is left alone.
var ErrNewerInstalled = errors.New("is of a newer manager")

// ErrBeingDeleted is that an object is going away. It is to be tried again.
var ErrBeingDeleted = errors.New("is being deleted")

// Version is that of a manager. The zero value is neither older nor newer than any.
type Version struct{ parsed *version.Version }

// ParseVersion reads a version in the form of semantic versioning. One in another form,
// such as that of a developer's build, is the zero value.
func ParseVersion(text string) Version {
	parsed, err := version.ParseSemantic(text)
	if err != nil {
		return Version{}
	}
	return Version{parsed}
}

// MayWrite is nil where a manager of this version may write the live object, or else
// ErrNewerInstalled or ErrBeingDeleted. A nil object may be written.
func (v Version) MayWrite(live *unstructured.Unstructured) error {
	if live == nil {
		return nil
	}
	if live.GetDeletionTimestamp() != nil {
		return ErrBeingDeleted
	}
	by := ParseVersion(live.GetAnnotations()[v1alpha1.VersionAnnotation])
	if by.parsed != nil && v.parsed != nil && v.parsed.LessThan(by.parsed) {
		return ErrNewerInstalled
	}
	return nil
}
