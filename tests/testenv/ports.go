package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
)

var errNoPort = errors.New("failed to find a free port: its address has none")

// FreePorts are different ports of the loopback address that nobody listened on a moment
// ago.
func FreePorts(ctx context.Context, count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("failed to find a free port: %w", err)
		}
		// All stay open until the last is found, or one could be given out twice.
		defer func() { _ = listener.Close() }()
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return nil, errNoPort
		}
		ports = append(ports, address.Port)
	}
	return ports, nil
}
