package retry

import (
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/net/http2"

	"proxycache/backend/problem"
)

// TestWhatNetHTTPSaysOfAStreamThatWasRefused asks servers that refuse by the words of RFC 9113, through
// the client that upstream uses: its errors have no types of their own that could be named.
func TestWhatNetHTTPSaysOfAStreamThatWasRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		refuse  func(*http2.Framer, uint32) error
		refused bool
	}{
		{"REFUSED_STREAM", func(f *http2.Framer, id uint32) error { return f.WriteRSTStream(id, http2.ErrCodeRefusedStream) }, true},
		{"another code", func(f *http2.Framer, id uint32) error { return f.WriteRSTStream(id, http2.ErrCodeInternal) }, false},
		{"GOAWAY without it", func(f *http2.Framer, id uint32) error { return f.WriteGoAway(id-1, http2.ErrCodeNo, nil) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			served := make(chan error, 1)
			go func() { served <- refuseOne(l, c.refuse) }()
			err = askH2(t, l.Addr().String())
			if err == nil {
				t.Fatal("it was answered")
			}
			wrapped := problem.Wrap(problem.Terminated, err, "Waiting for the answer: reset.")
			if got := failureOf(wrapped) == refused; got != c.refused {
				t.Errorf("%v (%T) is told as refused: %v", err, err, got)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}

func askH2(t *testing.T, address string) error {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	conn, err := transport.NewClientConn(t.Context(), "http", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := conn.RoundTrip(request)
	if err == nil {
		_ = r.Body.Close()
	}
	return err
}

// refuseOne speaks HTTP/2 until a request comes, refuses it, and waits for the client's end.
func refuseOne(l net.Listener, refuse func(*http2.Framer, uint32) error) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.CopyN(io.Discard, c, int64(len(http2.ClientPreface))); err != nil {
		return err
	}
	f := http2.NewFramer(c, c)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return nil // the client has what it came for, and has left
		}
		if frame.Header().Type == http2.FrameHeaders {
			if err := refuse(f, frame.Header().StreamID); err != nil {
				return err
			}
		}
	}
}
