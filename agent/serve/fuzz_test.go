package serve_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/finos/five-spot/agent/serve"
)

// FuzzParseAddress holds that what passes for local cannot be reached from elsewhere, and
// that an address survives its text.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"", "0", "9090", ":9090", "127.0.0.1:9090", "[::1]:9090", "localhost:1", "[::ffff:127.0.0.1]:1", "[fe80::1%eth0]:1", "127.1:1", "0x7f000001:1", "[]:1", ":00", "a:b:c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, err := serve.ParseAddress(text)
		if err != nil {
			if address != (serve.Address{}) {
				t.Errorf("%q: %+v beside %v", text, address, err)
			}
			return
		}
		if again, err := serve.ParseAddress(address.String()); err != nil || again != address {
			t.Errorf("%q is %+v, then %+v, %v", text, address, again, err)
		}
		if address.Off() || address.Remote() || address.Host == "localhost" {
			return
		}
		ip, err := netip.ParseAddr(address.Host)
		if err != nil || !net.IP(ip.AsSlice()).IsLoopback() {
			t.Errorf("%q is local: %+v", text, address)
		}
	})
}
