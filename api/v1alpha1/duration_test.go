package v1alpha1_test

import (
	"math/big"
	"regexp"
	"testing"
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

var shape = regexp.MustCompile(`^[0-9]+[smh]$`)

// FuzzDuration compares with numbers that cannot overflow.
func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"", "0s", "90s", "5m", "24h", "25h", "86401s", "0000000000001h", "9223372036854775808s", "1H", "-1s", " 1s", "1s "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := v1alpha1.Duration(text).Parse()
		want, valid := reference(text)
		if valid != (err == nil) || got != want {
			t.Errorf("%q is %s, %v, not %s", text, got, err, want)
		}
		fallen, err := v1alpha1.Duration(text).ParseOr(time.Minute)
		if text == "" && (err != nil || fallen != time.Minute) {
			t.Errorf("without a duration it is %s, %v", fallen, err)
		}
		if err != nil && len(err.Error()) > 256 {
			t.Errorf("long error: %v", err)
		}
	})
}

func reference(text string) (time.Duration, bool) {
	if len(text) > 16 || !shape.MatchString(text) {
		return 0, false
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour}
	number, _ := new(big.Int).SetString(text[:len(text)-1], 10)
	number.Mul(number, big.NewInt(int64(units[text[len(text)-1]])))
	if number.Cmp(big.NewInt(int64(24*time.Hour))) > 0 {
		return 0, false
	}
	return time.Duration(number.Int64()), true
}
