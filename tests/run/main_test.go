package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLine(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"--once", "--deadline=90s"})
	if diff := cmp.Diff(options{once: true, deadline: 90 * time.Second}, opts, cmp.AllowUnexported(options{})); diff != "" || err != nil {
		t.Errorf("options (-want +got):\n%s, error %v", diff, err)
	}
	for _, bad := range []string{"--twice", "once"} {
		if _, err := parse([]string{bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
