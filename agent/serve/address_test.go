package serve_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/agent/serve"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text   string
		want   string
		remote bool
		err    bool
	}{
		"nothing is off":                         {text: "", want: "0"},
		"0 is off":                               {text: "0", want: "0"},
		"a port is on the loopback device":       {text: "9090", want: "127.0.0.1:9090"},
		"so is a colon and a port":               {text: ":9090", want: "127.0.0.1:9090"},
		"the loopback device":                    {text: "127.0.0.1:9090", want: "127.0.0.1:9090"},
		"all of the loopback network is local":   {text: "127.1.2.3:9090", want: "127.1.2.3:9090"},
		"so is that of IPv6":                     {text: "[::1]:9090", want: "[::1]:9090"},
		"so is localhost":                        {text: "localhost:9090", want: "localhost:9090"},
		"all addresses are remote":               {text: "0.0.0.0:9090", want: "0.0.0.0:9090", remote: true},
		"all addresses of IPv6 are remote":       {text: "[::]:9090", want: "[::]:9090", remote: true},
		"an address of the host is remote":       {text: "192.0.2.1:9090", want: "192.0.2.1:9090", remote: true},
		"a name is remote, whatever it means":    {text: "desk-7:9090", want: "desk-7:9090", remote: true},
		"a name that looks local is remote":      {text: "127.0.0.1.example.com:9090", want: "127.0.0.1.example.com:9090", remote: true},
		"a host without a port":                  {text: "127.0.0.1", err: true},
		"a port that is none":                    {text: "http", err: true},
		"a port that is too high":                {text: ":65536", err: true},
		"port 0, which would be a different one": {text: "127.0.0.1:0", err: true},
		"IPv6 without brackets":                  {text: "::1:9090", err: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			got, err := serve.ParseAddress(test.text)
			if test.err {
				g.Expect(err).To(HaveOccurred())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.String()).To(Equal(test.want))
			g.Expect(got.Remote()).To(Equal(test.remote))
			g.Expect(got.Off()).To(Equal(test.want == "0"))
		})
	}
}
