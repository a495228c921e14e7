package retry

import (
	"context"

	"proxycache/backend/flow"
)

// holding ends a context with the response. That of an upgraded connection ends with the exchange.
func holding(response *flow.Response, cancel context.CancelCauseFunc) *flow.Response {
	switch {
	case response.Status == 101 || response.Upgraded != nil:
	case response.Body == flow.NoBody:
		cancel(nil)
	default:
		response.Body = &held{flow.Held{ReadCloser: response.Body}, cancel}
	}
	return response
}

// held is a body with whose end a context ends.
type held struct {
	flow.Held
	cancel context.CancelCauseFunc
}

func (h *held) Close() error {
	defer h.cancel(nil)
	return h.ReadCloser.Close()
}

// spent is how much of an answer that nobody wants is read, for the connection's sake.
const spent = 16 << 10

// spend ends an answer that is of no use. What has come of a short one is read, so that its
// connection may serve again; nothing is waited for.
func spend(response *flow.Response) {
	if response == nil {
		return
	}
	if n := response.ContentLength; 0 < n && n <= spent {
		var scratch [1024]byte
		for left := spent; left > 0 && flow.Ready(response.Body); {
			n, err := response.Body.Read(scratch[:])
			if left -= n; err != nil {
				break
			}
		}
	}
	closed(response)
}

// closed says that nothing more of a response is wanted.
func closed(r *flow.Response) {
	if r == nil {
		return
	}
	_ = r.Body.Close() // nobody reads it any more
	if r.Upgraded != nil {
		_ = r.Upgraded.Close()
	}
}
