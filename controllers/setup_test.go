package controllers

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
)

func TestWhatIsAddedToTheManagerIsAddedOnceHoweverOftenStartingIsTried(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	calls := 0
	connect := kept(func(context.Context) (int, error) {
		calls++
		if calls == 1 {
			return 0, errors.New("not now")
		}
		return calls, nil
	})
	_, err := connect(t.Context())
	g.Expect(err).To(MatchError("not now"))
	for range 3 {
		value, err := connect(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(value).To(Equal(2))
	}
	g.Expect(calls).To(Equal(2))
}
