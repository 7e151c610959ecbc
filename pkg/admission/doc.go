// Package admission has the admission policies of the management cluster, with the
// settings of the manager rendered into them. They refuse what the CRDs cannot refuse,
// before a machine is touched. It is pure: whoever applies the policies is elsewhere.
package admission
