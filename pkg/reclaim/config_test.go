package reclaim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/finos/five-spot/pkg/reclaim"
)

func TestPatternsAreToldApartByBlanksAndSlashes(t *testing.T) {
	t.Parallel()
	got := reclaim.ConfigFor([]string{"idea", "java", "idea", "", "java -jar ide.jar", "/opt/ide/bin", "a\tb", strings.Repeat("x", 257)})
	want := reclaim.Config{
		Commands:       []string{"idea", "java"},
		ArgvSubstrings: []string{"/opt/ide/bin", "a\tb", "java -jar ide.jar"},
		PollInterval:   250 * time.Millisecond,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheFormatIsThatOfTheOriginal(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	text, err := reclaim.ConfigFor([]string{"idea", "java -jar x"}).Render()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(text).To(Equal("match_commands = ['idea']\nmatch_argv_substrings = ['java -jar x']\npoll_interval_ms = 250\n"))
}

func TestAConfigSurvivesItsText(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]reclaim.Config{
		"nothing to look for":    {Commands: []string{}, ArgvSubstrings: []string{}, PollInterval: time.Second},
		"names and arguments":    {Commands: []string{"a", "b"}, ArgvSubstrings: []string{"c d"}, PollInterval: time.Second, MatchPods: true},
		"what TOML has to quote": {Commands: []string{`'"\`}, ArgvSubstrings: []string{"a\n'''\x00\x7f ", "ünï 世"}, PollInterval: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			text, err := config.Render()
			g.Expect(err).NotTo(HaveOccurred())
			parsed, err := reclaim.Parse(text)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(cmp.Diff(config, parsed)).To(BeEmpty())
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want reclaim.Config
		err  string
	}{
		"nothing has the defaults":     {"", reclaim.Config{PollInterval: 250 * time.Millisecond}, ""},
		"an unknown key is ignored":    {"shiny = true\nmatch_commands = [\"a\"]", reclaim.Config{Commands: []string{"a"}, PollInterval: 250 * time.Millisecond}, ""},
		"no TOML":                      {"match_commands = [", reclaim.Config{}, "failed to read reclaim.toml"},
		"another type":                 {"match_commands = 1", reclaim.Config{}, "failed to read reclaim.toml"},
		"an empty pattern":             {`match_commands = [""]`, reclaim.Config{}, "1 to 256 characters"},
		"a pattern that is too long":   {`match_argv_substrings = ["` + strings.Repeat("x", 257) + `"]`, reclaim.Config{}, "1 to 256 characters"},
		"too many patterns":            {`match_commands = [` + strings.Repeat(`"a",`, 101) + `]`, reclaim.Config{}, "at most 100 patterns"},
		"an interval that is too low":  {"poll_interval_ms = 49", reclaim.Config{}, "between 50 and 60000"},
		"an interval that is negative": {"poll_interval_ms = -1", reclaim.Config{}, "between 50 and 60000"},
		"an interval that is too high": {"poll_interval_ms = 60001", reclaim.Config{}, "between 50 and 60000"},
		"an interval beyond all sizes": {"poll_interval_ms = 99999999999999999999", reclaim.Config{}, "failed to read"},
		"a text without end":           {strings.Repeat("#", 1<<18+1), reclaim.Config{}, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			got, err := reclaim.Parse(test.text)
			if test.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(cmp.Diff(test.want, got)).To(BeEmpty())
		})
	}
}

func TestConfigMapNamesAreValidAndDiffer(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	long := strings.Repeat("a.b-", 63)
	names := map[string]bool{}
	for _, node := range []string{"desk-7", long + "c", long + "d"} {
		name := reclaim.ConfigMapName(node)
		g.Expect(validation.IsDNS1123Subdomain(name)).To(BeEmpty(), name)
		names[name] = true
	}
	g.Expect(names).To(HaveLen(3))
	g.Expect(names).To(HaveKey("reclaim-agent-desk-7"))
}

func FuzzParse(f *testing.F) {
	f.Add("match_commands = ['a']\npoll_interval_ms = 250")
	f.Fuzz(func(t *testing.T, text string) {
		config, err := reclaim.Parse(text)
		if err != nil {
			return
		}
		rendered, err := config.Render()
		if err != nil {
			t.Fatal(err)
		}
		again, err := reclaim.Parse(rendered)
		if err != nil {
			t.Fatalf("%v in %q", err, rendered)
		}
		if len(again.Commands) != len(config.Commands) || again.PollInterval != config.PollInterval || again.MatchPods != config.MatchPods {
			t.Fatalf("%+v became %+v", config, again)
		}
	})
}
