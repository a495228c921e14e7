package ingress

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/socket"
)

// halfOpen is how long one direction may be silent after the other ended: a side that closed for
// good looks the same as one that only has nothing more to say.
const halfOpen = 60 * time.Second

// carry copies both ways. An end of one side is passed on as the end of that direction alone; an
// error ends both, and is told to a side that is a breaker. It closes both sides.
func carry(client, target io.ReadWriteCloser) { carryWithin(halfOpen, client, target) }

// carryWithin ends what nothing moves in for silence after one direction has ended.
func carryWithin(silence time.Duration, client, target io.ReadWriteCloser) {
	t := traffic{client: rawOf(client), target: rawOf(target)}
	var closing sync.Once
	closeBoth := func() {
		closing.Do(func() {
			_ = client.Close() // nobody is left to tell
			_ = target.Close()
		})
	}
	defer closeBoth()
	broken := func() {
		if client, ok := client.(breaker); ok {
			client.Break()
		}
		closeBoth()
	}
	ended := make(chan struct{}, 2)
	begin := func(w way) {
		if err := w.run(); err != nil || !endWriting(w.to) {
			broken()
		}
		ended <- struct{}{}
	}
	out, in := beside(client, target)
	go begin(way{to: target, from: client, moved: &t.moved, beside: out})
	go begin(way{to: client, from: target, moved: &t.moved, beside: in})
	<-ended
	for last := int64(-1); ; {
		timer := time.NewTimer(silence)
		select {
		case <-ended:
			timer.Stop()
			return
		case <-timer.C:
		}
		if now := t.total(); now == last {
			closeBoth()
			<-ended
			return
		} else {
			last = now
		}
	}
}

// breaker is a client that can be told of an error otherwise than of an end.
type breaker interface {
	Break() // before Close
}

// traffic is what moves in both directions.
type traffic struct {
	moved          atomic.Int64 // bytes in pieces that have passed
	client, target net.Conn     // below TLS; nil where they are not known
}

// total grows while bytes move. A piece that is taken slowly counts only when all of it has passed: until
// then the system knows of its bytes, and it alone.
func (t *traffic) total() int64 { return t.moved.Load() + taken(t.client) + taken(t.target) }

// rawOf is the connection below c; nil where that is not known.
func rawOf(c io.ReadWriteCloser) net.Conn {
	switch c := c.(type) {
	case *joined:
		return c.raw
	case besides:
		return c.Below()
	}
	return nil
}

// way is one direction of a connection that left HTTP.
type way struct {
	to     io.Writer
	from   io.Reader
	moved  *atomic.Int64 // both directions
	beside pass          // where the system may carry the bytes by itself
}

// bulk is what a direction carries before the system takes over: talk stays here, where each word is told of
// as it passes.
const bulk = 256 << 10

func (w way) run() error {
	to := counted{w.to, w.moved}
	switch _, err := io.CopyN(to, w.from, bulk); {
	case err == io.EOF:
		return nil
	case err != nil:
		return err
	}
	if pipe, err := w.beside.pipe(); err == nil {
		defer pipe.Close()
		if over, err := w.beside.run(pipe, w.moved); over {
			return err
		}
	}
	_, err := io.Copy(to, w.from)
	return err
}

// pass leads from socket to socket, without the bytes coming to us (splice(2)); whoever watches them
// on the ordinary way is told how many they were.
type pass struct {
	to, from net.Conn
	ahead    func() int // bytes that come before those in from
	tell     func(n int64)
}

// besides is a target whose bytes may pass beside it.
type besides interface {
	Socket() net.Conn // nil where they must go through Read and Write
	Below() net.Conn  // the same below TLS; nil where that is not known
	Ahead() int       // how many bytes Read gives before those in the socket
	Sent(n int64)
	Received(n int64)
}

func beside(client, target io.ReadWriteCloser) (out, in pass) {
	c, ok := client.(*joined)
	t, both := target.(besides)
	if !ok || !both {
		return pass{}, pass{}
	}
	a, b := c.socket(), t.Socket()
	return pass{b, a, c.waiting, t.Sent}, pass{a, b, t.Ahead, t.Received}
}

// pipe is opened by who reads; where that is not possible, or descriptors are short, the bytes come to us.
func (p pass) pipe() (*socket.Pipe, error) {
	if p.ahead == nil || p.ahead() > 0 {
		return nil, errors.ErrUnsupported
	}
	return socket.NewPipe(p.to, p.from)
}

// run carries all there is. Where the rest must be read it is not over.
func (p pass) run(pipe *socket.Pipe, moved *atomic.Int64) (over bool, err error) {
	for {
		switch _, err := pipe.Fill(bulk); {
		case err == io.EOF:
			return true, nil
		case errors.Is(err, errors.ErrUnsupported):
			return false, nil
		case err != nil:
			return true, err
		}
		n, err := pipe.Empty()
		moved.Add(int64(n))
		p.tell(int64(n))
		if err != nil {
			return true, err
		}
	}
}

// endWriting passes an end on; false when there is no way to end one direction alone.
func endWriting(to io.Writer) bool {
	half, ok := to.(interface{ CloseWrite() error })
	if !ok {
		return false
	}
	err := half.CloseWrite()
	return err == nil || errors.Is(err, net.ErrClosed)
}

// counted counts what is written.
type counted struct {
	to io.Writer
	n  *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n.Add(int64(n))
	return n, err
}
