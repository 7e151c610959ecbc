package reclaim_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/reclaim"
)

// FuzzRequest reads annotations that anybody may have written, and those of our own.
func FuzzRequest(f *testing.F) {
	f.Add("true", "process-match: idea", "2026-11-23T08:30:00Z")
	f.Add("True", "", "yesterday")
	f.Add("true", "\xff\n", "0000-01-01T00:00:00+23:59")
	f.Fuzz(func(t *testing.T, requested, reason, at string) {
		annotations := map[string]string{
			v1alpha1.ReclaimRequestedAnnotation: requested, v1alpha1.ReclaimReasonAnnotation: reason, v1alpha1.ReclaimRequestedAtAnnotation: at,
		}
		request, ok := reclaim.RequestOf(annotations)
		if ok != (requested == "true") || !ok && request != (reclaim.Request{}) || ok && request.Reason != reason {
			t.Errorf("%q: %t, %+v", annotations, ok, request)
		}

		written := reclaim.Matched(reason, time.Unix(1_800_000_000, 0))
		if !utf8.ValidString(written.Reason) {
			t.Errorf("%q is not what an annotation can hold", written.Reason)
		}
		read, ok := reclaim.RequestOf(written.Annotations())
		if !ok || read.Reason != written.Reason || !read.At.Equal(written.At) {
			t.Errorf("%+v became %+v, %t", written, read, ok)
		}
	})
}

// FuzzConfigFor writes patterns of users, which must come out of the file as they went in.
func FuzzConfigFor(f *testing.F) {
	f.Add("idea", "java -jar ide.jar")
	f.Add("'''", "\"\"\"\\\n")
	f.Add("/opt/x", "\x00\x7f\u2028")
	f.Fuzz(func(t *testing.T, one, other string) {
		config := reclaim.ConfigFor([]string{one, other})
		text, err := config.Render()
		if err != nil {
			return
		}
		read, err := reclaim.Parse(text)
		valid := utf8.ValidString(one) && utf8.ValidString(other)
		if err != nil {
			if valid && one != "" && other != "" && utf8.RuneCountInString(one) <= 256 && utf8.RuneCountInString(other) <= 256 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		got, want := slices.Concat(read.Commands, read.ArgvSubstrings), slices.Concat(config.Commands, config.ArgvSubstrings)
		if valid && strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Errorf("%q became %q by\n%s", want, got, text)
		}
	})
}
