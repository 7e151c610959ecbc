package serve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// loopback is where an endpoint is bound that names only a port.
const loopback = "127.0.0.1"

var errAddress = errors.New("must be 0, a port, or host:port")

// Address is where an endpoint listens. The zero value turns it off.
type Address struct {
	Host string
	Port uint16
}

// ParseAddress reads "0" or nothing (off), a port or ":port" (on 127.0.0.1), or
// "host:port".
func ParseAddress(text string) (Address, error) {
	if text == "" || text == "0" {
		return Address{}, nil
	}
	if !strings.Contains(text, ":") {
		text = ":" + text
	}
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, errAddress
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || port == 0 {
		return Address{}, fmt.Errorf("%w with a port from 1 to 65535", errAddress)
	}
	if host == "" {
		host = loopback
	}
	return Address{Host: host, Port: uint16(port)}, nil
}

// Off is whether the endpoint is turned off.
func (a Address) Off() bool { return a.Port == 0 }

// Remote is whether others than processes on the same host may reach it. Names count as
// remote, whatever they resolve to, but for localhost.
func (a Address) Remote() bool {
	if a.Off() || a.Host == "localhost" {
		return false
	}
	address, err := netip.ParseAddr(a.Host)
	return err != nil || !address.IsLoopback()
}

// String is the address as host:port.
func (a Address) String() string {
	if a.Off() {
		return "0"
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}
