package controllers

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Whoever begins to talk to the port must not be able to fill the log.
func TestACertificateThatCannotBeReadIsNotLookedAtForEveryConnection(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	folder := t.TempDir()
	for _, name := range []string{"tls.crt", "tls.key"} {
		g.Expect(os.WriteFile(filepath.Join(folder, name), []byte("garbage"), 0o600)).To(Succeed())
	}
	lines := 0
	log := funcr.New(func(_, _ string) { lines++ }, funcr.Options{})
	clock := clocktesting.NewFakeClock(time.Now())
	mounted := &mountedCertificate{folder: folder, clock: clock}
	ctx := ctrl.LoggerInto(context.WithoutCancel(t.Context()), log)
	connect := func() {
		for range 10 {
			certificate, err := mounted.get(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(certificate.Certificate).NotTo(BeEmpty(), "one of its own is served meanwhile")
		}
	}
	connect()
	g.Expect(lines).To(Equal(1))
	clock.Step(certificateRetry)
	connect()
	g.Expect(lines).To(Equal(2))
}
