package machine

import (
	"context"

	"k8s.io/client-go/rest"
)

type secretKeyType struct{}

// withSecret marks a request that carries the content of a Secret.
func withSecret(ctx context.Context) context.Context {
	return context.WithValue(ctx, secretKeyType{}, true)
}

// QuietAboutSecrets passes the warnings of an API server on to the next handler, but
// for those that answer a request with the content of a Secret: a provider may quote it
// in them. The clients that are given to NewObjects need it.
func QuietAboutSecrets(next rest.WarningHandlerWithContext) rest.WarningHandlerWithContext {
	return quiet{next}
}

type quiet struct {
	next rest.WarningHandlerWithContext
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (q quiet) HandleWarningHeaderWithContext(ctx context.Context, code int, agent, text string) {
	if ctx.Value(secretKeyType{}) != nil {
		text = "a warning is not shown, since a secretRef took part"
	}
	q.next.HandleWarningHeaderWithContext(ctx, code, agent, text)
}
