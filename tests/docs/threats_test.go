package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// threats are those that the threat model has to answer, each with one row.
var threats = []string{
	"S1", "S2", "S3", "S5", "S6",
	"T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "T13",
	"R1", "R1b", "R2",
	"I1", "I2", "I3", "I3b", "I4", "I5",
	"D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10",
	"E1", "E2", "E3", "E4", "E5",
}

var (
	threatRow = regexp.MustCompile(`(?m)^\| ([A-Z]\d+[a-z]?) \|(.+)\|$`)
	answered  = regexp.MustCompile(`^(mitigated$|mitigated, what remains is accepted by .+$|accepted by .+: .+|accepted by whoever .+)`)
	proof     = regexp.MustCompile("`(Test\\w+|Fuzz\\w+|tests/[\\w/.-]+\\.go|make [\\w-]+)`")
)

// TestEveryThreatIsAnswered looks for a row for each threat that has a control, names
// what holds it and what proves it. Whether those exist is looked at with all pages.
func TestEveryThreatIsAnswered(t *testing.T) {
	t.Parallel()
	var found []string
	for _, row := range threatRow.FindAllStringSubmatch(readProject(t).read(t, "docs/security/threat-model.md"), -1) {
		id, cells := row[1], strings.Split(row[2], " | ")
		found = append(found, id)
		if len(cells) != 5 {
			t.Errorf("%s has %d columns beside its id, not 5", id, len(cells))
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if status := cells[1]; !answered.MatchString(status) {
			t.Errorf("%s is %q: it must be mitigated, or accepted by somebody for a reason", id, status)
		}
		if cells[2] == "" || !strings.Contains(cells[3], "`") {
			t.Errorf("%s does not say what its control is and what holds it", id)
		}
		if !proof.MatchString(cells[4]) {
			t.Errorf("%s names no test: %s", id, cells[4])
		}
		if rest := proof.ReplaceAllString(cells[4], ""); strings.Trim(rest, ", ") != "" {
			t.Errorf("%s names something that is no test: %s", id, rest)
		}
	}
	slices.Sort(found)
	wanted := slices.Sorted(slices.Values(threats))
	if !slices.Equal(found, wanted) {
		t.Errorf("the rows are of %v, not of %v", found, wanted)
	}
}
