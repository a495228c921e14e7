package flow

import "io"

// NoBody reads as empty.
var NoBody io.ReadCloser = noBody{}

type noBody struct{}

func (noBody) Read([]byte) (int, error)         { return 0, io.EOF }
func (noBody) Close() error                     { return nil }
func (noBody) WriteTo(io.Writer) (int64, error) { return 0, nil }

// Ready tells that the first bytes of a body are there: reading it does not wait. Bodies that know say
// so by a method Ready; those that wrap one pass the question on.
func Ready(body io.Reader) bool {
	b, ok := body.(interface{ Ready() bool })
	return ok && b.Ready()
}

// Held is what those embed who wait for the end of a body, its Close, and look neither at its bytes nor at its
// errors.
type Held struct{ io.ReadCloser }

// Ready passes the question on.
func (h Held) Ready() bool { return Ready(h.ReadCloser) }

// Same is the body whose bytes it passes on as they are.
func (h Held) Same() io.ReadCloser { return h.ReadCloser }

// Inside is the body that may be read in its place.
func (h Held) Inside() io.ReadCloser { return h.ReadCloser }

// Inside is the body to which it makes no difference who reads it: those around it are Held. It is they that are
// to be closed.
func Inside(body io.ReadCloser) io.ReadCloser {
	for {
		around, ok := body.(interface{ Inside() io.ReadCloser })
		if !ok {
			return body
		}
		body = around.Inside()
	}
}
