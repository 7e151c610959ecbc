package environment_test

import (
	"math/big"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/pkg/environment"
)

func variables(values map[string]string) *environment.Variables {
	return environment.New(func(name string) (string, bool) { value, ok := values[name]; return value, ok })
}

func TestVariablesOverruleTheFallback(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	set := variables(map[string]string{"TEXT": "a b", "NUMBER": "-7", "FLAG": "false", "SECONDS": "90", "DURATION": "1h30m", "LIST": "a,b"})
	g.Expect(set.Text("TEXT", "other")).To(Equal("a b"))
	g.Expect(set.Number("NUMBER", 1)).To(Equal(-7))
	g.Expect(set.Flag("FLAG", true)).To(BeFalse())
	g.Expect(set.Seconds("SECONDS", 1)).To(Equal(90 * time.Second))
	g.Expect(set.Duration("DURATION", 1)).To(Equal(90 * time.Minute))
	g.Expect(set.List("LIST", []string{"c"})).To(Equal([]string{"a", "b"}))
	g.Expect(set.Err()).To(Succeed())
}

func TestAnEmptyVariableIsNotSet(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	for _, unset := range []*environment.Variables{variables(nil), variables(map[string]string{"A": ""})} {
		g.Expect(unset.Text("A", "other")).To(Equal("other"))
		g.Expect(unset.Number("A", 1)).To(Equal(1))
		g.Expect(unset.Flag("A", true)).To(BeTrue())
		g.Expect(unset.Seconds("A", 2)).To(Equal(2 * time.Second))
		g.Expect(unset.Duration("A", time.Hour)).To(Equal(time.Hour))
		g.Expect(unset.List("A", []string{"c"})).To(Equal([]string{"c"}))
		g.Expect(unset.Err()).To(Succeed())
	}
}

func TestEveryVariableThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	wrong := variables(map[string]string{"NUMBER": "1.5", "FLAG": "maybe", "SECONDS": "1m", "DURATION": "5"})
	wrong.Number("NUMBER", 1)
	wrong.Flag("FLAG", true)
	wrong.Seconds("SECONDS", 1)
	wrong.Duration("DURATION", 1)
	g.Expect(wrong.Err()).To(MatchError(And(
		ContainSubstring(`environment variable NUMBER must be a number, not "1.5"`),
		ContainSubstring(`environment variable FLAG must be true or false, not "maybe"`),
		ContainSubstring(`environment variable SECONDS must be a number of seconds up to 86400, not "1m"`),
		ContainSubstring(`environment variable DURATION must be a duration such as 90s or 1h30m, not "5"`),
	)))
}

// FuzzSeconds compares with a number that cannot overflow.
func FuzzSeconds(f *testing.F) {
	for _, seed := range []string{"", "0", "15", "86400", "86401", "-1", "+1", "0x10", "1_0", "18446744089", "1m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := environment.ParseSeconds(text)
		exact, ok := new(big.Int).SetString(text, 10)
		valid := ok && exact.Sign() >= 0 && exact.Cmp(big.NewInt(environment.MaxSeconds)) <= 0
		if valid != (err == nil) || valid && big.NewInt(int64(got/time.Second)).Cmp(exact) != 0 {
			t.Errorf("%q is %s, %v", text, got, err)
		}
	})
}
