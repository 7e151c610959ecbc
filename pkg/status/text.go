package status

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// maxMessage bounds every message, in characters.
	maxMessage = 1024

	// maxBlocked and maxBlockedText bound status.drain.blockedBy.
	maxBlocked     = 10
	maxBlockedText = 512

	// maxResolvedSchedule and maxProviderID bound the fields of these names.
	maxResolvedSchedule = 512
	maxProviderID       = 512
)

// readable makes a message fit for a terminal: control characters and invisible
// ones are escaped, so that somebody else's text can neither hide nor forge what
// is shown, and it is cut to maxMessage characters.
func readable(message string) string { return escaped(message, maxMessage) }

func escaped(text string, limit int) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	if utf8.RuneCountInString(b.String()) <= limit {
		return b.String()
	}
	return string([]rune(b.String())[:limit-1]) + "…"
}

// seconds is an instant as the API server keeps it and a client reads it back:
// whole seconds, in local time.
func seconds(instant time.Time) metav1.Time {
	return metav1.NewTime(instant.Truncate(time.Second).Local())
}

// moment is seconds, with nil for the zero instant.
func moment(instant time.Time) *metav1.Time {
	if instant.IsZero() {
		return nil
	}
	return new(seconds(instant))
}

// stamp is an instant in a message.
func stamp(instant time.Time) string { return instant.UTC().Format(time.RFC3339) }
