// Command pause waits until it is told to stop. On the node of the tests it is what holds
// a Pod's namespaces, and every program that an owner starts.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
}
