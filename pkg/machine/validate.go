package machine

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	// maxTemplateEntries bounds the labels, and the annotations, of machineTemplate.
	maxTemplateEntries = 64

	// maxAnnotation bounds the value of one annotation, in characters.
	maxAnnotation = 4096

	// maxAPIVersion is a group of 253 characters, a slash and a version of 63.
	maxAPIVersion = 317

	// maxSpecFields bounds the fields of a provider object's spec at its first level.
	maxSpecFields = 256

	// providerIDField is the field of a provider object's spec by which Cluster API finds
	// the Machine's Node. Whoever could choose it could choose somebody else's Node.
	providerIDField = "providerID"

	// maxPriority is the highest priority.
	maxPriority = 255

	// maxPatterns bounds killIfCommands, and maxPattern one of them, in characters.
	maxPatterns, maxPattern = 100, 256
)

var (
	versionPattern = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?$`)
	kindPattern    = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`)
)

// ValidateOptions are the manager's flags that bear on validation.
type ValidateOptions struct {
	// AllowedGroups are the API groups of which provider objects may be; none means
	// DefaultAllowedGroups.
	AllowedGroups []string

	// AllowNodeRestrictionLabels allows labels of node-restriction.kubernetes.io in
	// machineTemplate.
	AllowNodeRestrictionLabels bool

	// MaxGracefulShutdownTimeout and MaxNodeDrainTimeout bound these two fields; none
	// means v1alpha1.MaxDuration.
	MaxGracefulShutdownTimeout time.Duration
	MaxNodeDrainTimeout        time.Duration
}

// DefaultAllowedGroups are the API groups of Cluster API's providers.
func DefaultAllowedGroups() []string {
	return []string{"bootstrap.cluster.x-k8s.io", "infrastructure.cluster.x-k8s.io", "k0smotron.io"}
}

// Validate judges what the spec says about the three objects, their order and their
// removal, whatever admission let through. path is the path of spec. Each error
// names its field and the rule, and quotes at most 64 characters of a value.
func Validate(spec *v1alpha1.ScheduledMachineSpec, opts ValidateOptions, path *field.Path) field.ErrorList {
	if len(opts.AllowedGroups) == 0 {
		opts.AllowedGroups = DefaultAllowedGroups()
	}
	errs := validateClusterName(spec.ClusterName, path.Child("clusterName"))
	errs = append(errs, validateProviderObject(spec.BootstrapSpec, opts, path.Child("bootstrapSpec"))...)
	errs = append(errs, validateProviderObject(spec.InfrastructureSpec, opts, path.Child("infrastructureSpec"))...)
	errs = append(errs, validateDistinct(spec, path)...)
	errs = append(errs, validateTemplate(spec.MachineTemplate, opts, path.Child("machineTemplate"))...)
	errs = append(errs, validateTimeout(spec.GracefulShutdownTimeout, opts.MaxGracefulShutdownTimeout, path.Child("gracefulShutdownTimeout"))...)
	errs = append(errs, validateTimeout(spec.NodeDrainTimeout, opts.MaxNodeDrainTimeout, path.Child("nodeDrainTimeout"))...)
	errs = append(errs, validatePriority(spec.Priority, path.Child("priority"))...)
	return append(errs, validateKillIfCommands(spec.KillIfCommands, path.Child("killIfCommands"))...)
}

func validateClusterName(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "must name a Cluster")}
	}
	return invalid(path, name, utilvalidation.IsValidLabelValue(name))
}

func validateProviderObject(obj v1alpha1.ProviderObject, opts ValidateOptions, path *field.Path) field.ErrorList {
	errs := validateAPIVersion(obj.APIVersion, opts.AllowedGroups, path.Child("apiVersion"))
	if !kindPattern.MatchString(obj.Kind) {
		errs = append(errs, field.Invalid(path.Child("kind"), bounded(obj.Kind),
			"must be 1 to 63 letters and digits and begin with a capital letter"))
	}
	if content, err := jsonObject(rawSpec(obj)); err != nil {
		errs = append(errs, field.Invalid(path.Child("spec"), field.OmitValueType{}, "must be a JSON object"))
	} else if len(content) > maxSpecFields {
		errs = append(errs, field.TooMany(path.Child("spec"), len(content), maxSpecFields))
	} else if content[providerIDField] != nil {
		errs = append(errs, field.Forbidden(path.Child("spec", providerIDField), "only the provider may tell which host it is"))
	}
	return append(errs, validateSecretRef(obj.SecretRef, path.Child("secretRef"))...)
}

func validateAPIVersion(apiVersion string, allowed []string, path *field.Path) field.ErrorList {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || len(apiVersion) > maxAPIVersion || len(utilvalidation.IsDNS1123Subdomain(gv.Group)) > 0 || !versionPattern.MatchString(gv.Version) {
		return field.ErrorList{field.Invalid(path, bounded(apiVersion),
			"must be an API group and a version, such as bootstrap.cluster.x-k8s.io/v1beta1")}
	}
	if !slices.Contains(allowed, gv.Group) {
		return field.ErrorList{field.NotSupported(path, bounded(gv.Group), allowed)}
	}
	return nil
}

func validateSecretRef(ref *v1alpha1.SecretReference, path *field.Path) field.ErrorList {
	if ref == nil {
		return nil
	}
	errs := invalid(path.Child("name"), ref.Name, utilvalidation.IsDNS1123Subdomain(ref.Name))
	return append(errs, invalid(path.Child("key"), ref.Key, utilvalidation.IsConfigMapKey(secretKey(ref)))...)
}

// validateDistinct refuses one kind for both objects: they have the same name and
// would be the same object.
func validateDistinct(spec *v1alpha1.ScheduledMachineSpec, path *field.Path) field.ErrorList {
	bootstrap, infrastructure := groupVersionKind(spec.BootstrapSpec), groupVersionKind(spec.InfrastructureSpec)
	if infrastructure.Kind == "" || bootstrap.GroupKind() != infrastructure.GroupKind() {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("infrastructureSpec", "kind"), bounded(infrastructure.Kind),
		"must not be the kind of bootstrapSpec")}
}

func validateTemplate(template *v1alpha1.MachineTemplate, opts ValidateOptions, path *field.Path) field.ErrorList {
	if template == nil {
		return nil
	}
	labels, annotations := stringMap(template.Labels), stringMap(template.Annotations)
	errs := validateKeys(labels, path.Child("labels"), func(key string) bool {
		return reservedLabel(key, opts.AllowNodeRestrictionLabels)
	})
	errs = append(errs, validateLabelValues(labels, path.Child("labels"))...)
	errs = append(errs, validateKeys(annotations, path.Child("annotations"), reservedAnnotation)...)
	errs = append(errs, validateAnnotationValues(annotations, path.Child("annotations"))...)
	if err := validation.ValidateAnnotationsSize(annotations); err != nil {
		errs = append(errs, field.TooLong(path.Child("annotations"), "", validation.TotalAnnotationSizeLimitB))
	}
	return errs
}

func validateKeys(entries map[string]string, path *field.Path, reserved func(string) bool) field.ErrorList {
	var errs field.ErrorList
	if len(entries) > maxTemplateEntries {
		errs = append(errs, field.TooMany(path, len(entries), maxTemplateEntries))
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if reserved(key) {
			errs = append(errs, field.Invalid(path, bounded(key), "is a reserved key: its domain or a parent of it is one of "+
				strings.Join(reservedDomains, ", ")))
			continue
		}
		errs = append(errs, invalid(path, key, utilvalidation.IsQualifiedName(key))...)
	}
	return errs
}

func validateLabelValues(labels map[string]string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		// A malformed key was refused already and does not belong into a path.
		if len(utilvalidation.IsQualifiedName(key)) == 0 {
			errs = append(errs, invalid(path.Key(key), labels[key], utilvalidation.IsValidLabelValue(labels[key]))...)
		}
	}
	return errs
}

func validateAnnotationValues(annotations map[string]string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		// As with labels, a malformed key does not belong into a path.
		if len(utilvalidation.IsQualifiedName(key)) == 0 && utf8.RuneCountInString(annotations[key]) > maxAnnotation {
			errs = append(errs, field.TooLongCharacters(path.Key(key), "", maxAnnotation))
		}
	}
	return errs
}

// validateTimeout judges an absent timeout by its default, as the API server fills it in.
func validateTimeout(d v1alpha1.Duration, limit time.Duration, path *field.Path) field.ErrorList {
	timeout := defaultTimeout
	var err error
	if d != "" {
		timeout, err = d.Parse()
	}
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(path, bounded(string(d)), err.Error())}
	case limit > 0 && timeout > limit:
		return field.ErrorList{field.Invalid(path, bounded(string(d)), "must be at most "+limit.String())}
	}
	return nil
}

func validatePriority(priority *int32, path *field.Path) field.ErrorList {
	if priority == nil || *priority >= 0 && *priority <= maxPriority {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *priority, "must be from 0 to 255")}
}

func validateKillIfCommands(patterns []string, path *field.Path) field.ErrorList {
	if len(patterns) > maxPatterns {
		return field.ErrorList{field.TooMany(path, len(patterns), maxPatterns)}
	}
	var errs field.ErrorList
	for i, pattern := range patterns {
		if length := utf8.RuneCountInString(pattern); length < 1 || length > maxPattern {
			errs = append(errs, field.Invalid(path.Index(i), bounded(pattern), "must be 1 to 256 characters"))
		}
	}
	return errs
}

func invalid(path *field.Path, value string, problems []string) field.ErrorList {
	errs := make(field.ErrorList, 0, len(problems))
	for _, problem := range problems {
		errs = append(errs, field.Invalid(path, bounded(value), problem))
	}
	return errs
}

func groupVersionKind(obj v1alpha1.ProviderObject) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(obj.APIVersion, obj.Kind)
}
