package cache

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// origin is a server that the test leads step by step.
type origin struct {
	arrived chan *flow.Exchange // one a request
	heads   chan *flow.Response // what it answers to the next one; nil is a failure
	failure error
}

func newOrigin() *origin {
	return &origin{arrived: make(chan *flow.Exchange, 100), heads: make(chan *flow.Response, 100), failure: problem.New(problem.Refused, "Sending: refused on purpose.")}
}

func (o *origin) next(x *flow.Exchange) (*flow.Response, error) {
	o.arrived <- x
	select {
	case r := <-o.heads:
		if r == nil {
			return nil, o.failure
		}
		return r, nil
	case <-x.Context().Done():
		return nil, x.Context().Err()
	}
}

// pipe is a body that the test writes.
type pipe struct {
	*io.PipeReader
	closed chan struct{}
}

func (p *pipe) Close() error { close(p.closed); return p.PipeReader.Close() }

func streaming(fields string) (*flow.Response, *io.PipeWriter, *pipe) {
	r, w := io.Pipe()
	p := &pipe{r, make(chan struct{})}
	return &flow.Response{Status: 200, Proto: "HTTP/1.1", Header: header(fields), Body: p, ContentLength: -1}, w, p
}

// client is one request that runs by itself.
type client struct {
	x     *flow.Exchange
	leave context.CancelFunc
	done  chan struct{}
	r     *flow.Response
	err   error
}

func (h *house) client(o *origin, ask string) *client {
	ctx, cancel := context.WithCancel(context.Background())
	c := &client{x: h.exchange(ctx, ask), leave: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.r, c.err = h.p.Apply(c.x, o.next)
	}()
	synctest.Wait()
	return c
}

func (c *client) read(t *testing.T, n int) string {
	t.Helper()
	<-c.done
	if c.err != nil {
		t.Fatal(c.err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r.Body, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rest reads to the end, and closes.
func (c *client) rest(t *testing.T) string {
	t.Helper()
	<-c.done
	if c.err != nil {
		t.Fatal(c.err)
	}
	b, err := io.ReadAll(c.r.Body)
	if err := errors.Join(err, c.r.Body.Close()); err != nil {
		t.Fatal(err)
	}
	c.leave()
	return string(b)
}

func collapsing(t *testing.T, settings map[string]any, run func(t *testing.T, h *house, o *origin)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { run(t, newHouse(t, settings), newOrigin()) })
}
