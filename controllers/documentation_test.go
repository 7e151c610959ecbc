package controllers

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"

	"github.com/finos/five-spot/pkg/environment"
)

// settings are all flags, and all environment variables with the flags that they set.
func settings(g *WithT) (flags *pflag.FlagSet, asked map[string]bool) {
	asked = map[string]bool{}
	lookup := func(name string) (string, bool) {
		asked[name] = true
		return "", false
	}
	_, err := ParseOptions(nil, lookup)
	g.Expect(err).NotTo(HaveOccurred())

	add := map[string]func(*pflag.FlagSet, *environment.Variables, *Options){
		"addInstanceFlags":       addInstanceFlags,
		"addServingFlags":        addServingFlags,
		"addLeaderElectionFlags": addLeaderElectionFlags,
		"addLifecycleFlags":      addLifecycleFlags,
		"addAdmissionFlags":      addAdmissionFlags,
		"addNetworkPolicyFlags":  addNetworkPolicyFlags,
		"addOperandFlags":        addOperandFlags,
	}
	var code []byte
	for _, file := range []string{"options.go", "admission_options.go", "network_policy_options.go", "operand_options.go"} {
		text, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		code = append(code, text...)
	}
	for _, declared := range regexp.MustCompile(`(?m)^func (add\w+)\(`).FindAllStringSubmatch(string(code), -1) {
		g.Expect(add).To(HaveKey(declared[1]), "this test has to know every function that adds flags")
	}
	flags, opts := pflag.NewFlagSet("five-spot", pflag.ContinueOnError), &Options{}
	for _, addTo := range add {
		addTo(flags, environment.New(lookup), opts)
	}
	return flags, asked
}

// documentedSetting is a row of docs/reference/manager.md.
type documentedSetting struct{ flags, variables []string }

var (
	settingRow = regexp.MustCompile("(?m)^\\| ((?:`-[^|]*)?) ?\\| ([^|]*)\\| ([^|]*)\\| ([^|]+) \\|$")
	quoted     = regexp.MustCompile("`([^`]+)`")
)

func allQuoted(cell string) []string {
	var words []string
	for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
		words = append(words, match[1])
	}
	return words
}

// TestEverySettingIsDocumented keeps docs/reference/manager.md true: every flag has a
// row with its variables and its default, every variable is in a row, and nothing is
// told of that does not exist.
func TestEverySettingIsDocumented(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	page, err := os.ReadFile("../docs/reference/manager.md")
	g.Expect(err).NotTo(HaveOccurred())
	flags, asked := settings(g)

	rows := map[string]documentedSetting{}
	told := map[string]bool{}
	for _, row := range settingRow.FindAllStringSubmatch(string(page), -1) {
		documented := documentedSetting{flags: allQuoted(row[1]), variables: allQuoted(row[2])}
		for _, variable := range documented.variables {
			told[variable] = true
		}
		if len(documented.flags) == 0 {
			continue
		}
		name := strings.TrimPrefix(documented.flags[0], "--")
		rows[name] = documented
		flag := flags.Lookup(name)
		g.Expect(flag).NotTo(BeNil(), "--%s does not exist", name)
		g.Expect(strings.Join(allQuoted(row[3]), "")).To(Equal(defaultOf(flag)), "the default of --%s", name)
	}
	flags.VisitAll(func(flag *pflag.Flag) {
		g.Expect(rows).To(HaveKey(flag.Name), "--%s has no row", flag.Name)
		g.Expect(rows[flag.Name].variables).To(Equal(variablesOf(flag)), "the environment variables of --%s", flag.Name)
		if flag.Shorthand != "" {
			g.Expect(rows[flag.Name].flags).To(ContainElement("-" + flag.Shorthand))
		}
	})
	g.Expect(told).To(Equal(asked), "the environment variables")

	for _, word := range allQuoted(string(page)) {
		if name, isFlag := strings.CutPrefix(word, "--"); isFlag && name != "help" {
			name, _, _ = strings.Cut(name, "=")
			g.Expect(flags.Lookup(name)).NotTo(BeNil(), "--%s does not exist", name)
		}
	}
}

// defaultOf is a flag's default as the page writes it.
func defaultOf(flag *pflag.Flag) string {
	switch {
	case flag.Value.Type() == "stringSlice":
		return strings.Trim(flag.DefValue, "[]")
	case flag.Value.Type() == "duration":
		length, _ := time.ParseDuration(flag.DefValue)
		switch {
		case length == 0:
			return "0"
		case length%time.Hour == 0:
			return strings.TrimSuffix(length.String(), "0m0s")
		case length%time.Minute == 0:
			return strings.TrimSuffix(length.String(), "0s")
		}
	}
	return flag.DefValue
}

// variablesOf are the environment variables that a flag's description names at its end.
func variablesOf(flag *pflag.Flag) []string {
	open := strings.LastIndex(flag.Usage, "[")
	if open < 0 || !strings.HasSuffix(flag.Usage, "]") {
		return nil
	}
	return slices.Collect(strings.SplitSeq(flag.Usage[open+1:len(flag.Usage)-1], ", "))
}
