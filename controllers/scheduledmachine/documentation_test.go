package scheduledmachine

import (
	"os"
	"regexp"
	"testing"

	. "github.com/onsi/gomega"
)

func TestEveryEventIsDocumented(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	code, err := os.ReadFile("announcement.go")
	g.Expect(err).NotTo(HaveOccurred())
	docs, err := os.ReadFile("../../docs/reference/events.md")
	g.Expect(err).NotTo(HaveOccurred())

	declared := regexp.MustCompile(`(?m)^\tevent[A-Z]\w* += "(\w+)"$`).FindAllSubmatch(code, -1)
	g.Expect(len(declared)).To(BeNumerically(">", 10), "the constants were found")
	for _, match := range declared {
		g.Expect(string(docs)).To(ContainSubstring("`"+string(match[1])+"`"), "event reason %s", match[1])
	}
}
