package schedule

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestEveryScheduleOfTheReferencePageIsValid(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference/schedule.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) == 0 {
		t.Fatal("the page has no examples")
	}
	for _, block := range blocks {
		var object struct {
			Schedule *v1alpha1.Schedule `json:"schedule"`
		}
		if err := yaml.UnmarshalStrict(block[1], &object); err != nil {
			t.Errorf("%s\n%v", block[1], err)
			continue
		}
		s, errs := Parse(object.Schedule, field.NewPath("schedule"))
		if len(errs) > 0 {
			t.Errorf("%s\n%v", block[1], errs.ToAggregate())
			continue
		}
		if line := "`" + s.String() + "`"; !strings.Contains(string(page), line) {
			t.Errorf("the page does not show the line %s", line)
		}
	}
}
