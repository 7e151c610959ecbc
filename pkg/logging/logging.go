// Package logging is how the programs of 5-Spot log.
package logging

import (
	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// NewJSON returns a logger on standard error for log collectors. The level is how much it
// logs, from 0 to 5.
func NewJSON(level int) logr.Logger { return newLogger(zap.JSONEncoder(readable), level) }

// NewText returns a logger on standard error for people. For the level see NewJSON.
func NewText(level int) logr.Logger { return newLogger(zap.ConsoleEncoder(readable), level) }

func newLogger(encoder zap.Opts, level int) logr.Logger {
	return zap.New(encoder, zap.Level(zapcore.Level(-level)), zap.StacktraceLevel(zapcore.PanicLevel)) //nolint:gosec // The level is from 0 to 5.
}

// readable writes times as RFC 3339 and calls every level above 0 debug, which is what
// people and log collectors know.
func readable(c *zapcore.EncoderConfig) {
	c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	c.EncodeLevel = func(level zapcore.Level, out zapcore.PrimitiveArrayEncoder) {
		out.AppendString(max(level, zapcore.DebugLevel).String())
	}
}
