package logging

import (
	"bytes"
	"log"

	"github.com/go-logr/logr"
)

// TakeStandard has Go's standard logger write its lines, which are text, as messages of
// this one. net/http reports there what goes wrong with a connection.
func TakeStandard(logger logr.Logger) {
	log.SetFlags(0)
	log.SetOutput(lines{logger.WithName("standard")})
}

type lines struct{ logger logr.Logger }

// Write implements io.Writer. The standard logger writes one message at a time.
func (l lines) Write(line []byte) (int, error) {
	l.logger.Info(string(bytes.TrimSpace(line)))
	return len(line), nil
}
