package machine

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

// maxTemplateEntries bounds the labels, and the annotations, of machineTemplate.
const maxTemplateEntries = 64

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
}

// DefaultAllowedGroups are the API groups of Cluster API's providers.
func DefaultAllowedGroups() []string {
	return []string{"bootstrap.cluster.x-k8s.io", "infrastructure.cluster.x-k8s.io", "k0smotron.io"}
}

// Validate judges what the spec says about the three objects and about their
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
	errs = append(errs, validateTimeout(spec.GracefulShutdownTimeout, path.Child("gracefulShutdownTimeout"))...)
	return append(errs, validateTimeout(spec.NodeDrainTimeout, path.Child("nodeDrainTimeout"))...)
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
	if _, err := jsonObject(rawSpec(obj)); err != nil {
		errs = append(errs, field.Invalid(path.Child("spec"), field.OmitValueType{}, "must be a JSON object"))
	}
	return append(errs, validateSecretRef(obj.SecretRef, path.Child("secretRef"))...)
}

func validateAPIVersion(apiVersion string, allowed []string, path *field.Path) field.ErrorList {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || len(utilvalidation.IsDNS1123Subdomain(gv.Group)) > 0 || !versionPattern.MatchString(gv.Version) {
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

func validateTimeout(d v1alpha1.Duration, path *field.Path) field.ErrorList {
	if d == "" {
		return nil
	}
	if _, err := d.Parse(); err != nil {
		return field.ErrorList{field.Invalid(path, bounded(string(d)), err.Error())}
	}
	return nil
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
