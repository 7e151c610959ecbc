package machine

import (
	"strconv"
	"strings"
)

const (
	// maxQuotedValue bounds what is quoted of a user's value, in characters.
	maxQuotedValue = 64

	// maxQuotedError bounds what is quoted of somebody else's error, in characters.
	maxQuotedError = 256
)

// bounded cuts a value that is going to be quoted.
func bounded(value string) string { return cut(value, maxQuotedValue) }

// quoted is a foreign text in quotes: of bounded length, on one line, with control
// characters escaped.
func quoted(text string) string {
	return strconv.Quote(cut(strings.ToValidUTF8(text, "�"), maxQuotedError))
}

func cut(text string, limit int) string {
	count := 0
	for i := range text {
		if count == limit {
			return text[:i] + "…"
		}
		count++
	}
	return text
}
