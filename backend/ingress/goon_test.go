package ingress

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// ticks are an answer that brings a piece each time, so often, and then nothing until the end.
type ticks struct {
	every time.Duration
	times int
	end   <-chan struct{}
}

func (k *ticks) Read(p []byte) (int, error) {
	if k.times == 0 {
		<-k.end
		return 0, io.EOF
	}
	k.times--
	time.Sleep(k.every)
	return copy(p, "tick"), nil
}

// A client that listens need not say anything, but one that does neither is given up.
func TestABodyMayWaitWhileTheAnswerMoves(t *testing.T) {
	const limit = time.Second
	for name, begin := range map[string]func(h *house) io.Reader{
		"HTTP/1.1": func(h *house) io.Reader {
			c := h.dial()
			c.say("POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n")
			return c.in
		},
		"HTTP/2": func(h *house) io.Reader {
			f := h.frames()
			f.ask(1, false, shop("POST", "/")...)
			f.data(1, false, "begun")
			return f.conn
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			type ending struct {
				after time.Duration
				err   error
			}
			ended := make(chan ending, 1)
			h := limited(t, limits(func(l *Limits) { l.BodyTimeout = schema.Duration(limit) }), 1, func(x *flow.Exchange) *flow.Response {
				began, end := time.Now(), make(chan struct{})
				go func() {
					defer close(end)
					_, err := io.Copy(io.Discard, x.Request.Body)
					ended <- ending{time.Since(began), err}
				}()
				return unknown(&ticks{limit / 2, 6, end})
			})
			heard := begin(h)
			go func() { _, _ = io.Copy(io.Discard, heard) }()
			e := receive(t, ended, "the end of the body")
			if problem.KindOf(e.err) != problem.SlowClient || e.after < 3*limit || e.after > 6*limit {
				t.Errorf("it ended after %s: %v", e.after, e.err)
			}
		})
	}
}

func TestAnAnswerThatBreaksOffSaysWhoseFaultItIs(t *testing.T) {
	broken := func(kind string) flow.HandlerFunc {
		return func(x *flow.Exchange) *flow.Response {
			r := unknown(io.MultiReader(strings.NewReader("part"), iotest.ErrReader(errors.New("it’s 100% gone\n"))))
			r.Header.Add("Content-Type", kind)
			r.Cut = x.Request.Target == "/cut"
			return r
		}
	}
	for _, c := range []struct {
		name, kind, target string
		want               []string
	}{
		{"the target's", "text/plain", "/", []string{"HEADERS 1 :status=200 date=today content-type=text/plain", `DATA 1 "part"`, "RST_STREAM 1 INTERNAL_ERROR"}},
		{"by us", "text/plain", "/cut", []string{"RST_STREAM 1 CANCEL"}},
		{"the target's, of gRPC", "application/grpc+proto", "/", []string{
			"HEADERS 1 :status=200 date=today content-type=application/grpc+proto", `DATA 1 "part"`,
			"HEADERS 1 grpc-status=14 grpc-message=Passing on the answer to POST http://shop.test/: it broke off after 4 bytes: it%E2%80%99s 100%25 gone%0A. Look at the server's log, or send it again. end",
			"RST_STREAM 1 NO_ERROR",
		}},
		{"the target's, of gRPC in a page", "application/grpc-web", "/", []string{"HEADERS 1 :status=200 date=today content-type=application/grpc-web", `DATA 1 "part"`, "RST_STREAM 1 INTERNAL_ERROR"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t, broken(c.kind)).frames()
			f.ask(1, false, shop("POST", c.target)...)
			f.hear(c.want...)
		})
	}
}
