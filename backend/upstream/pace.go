package upstream

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

const (
	// writeTimeout is how long a target may take nothing of a request that is there to be sent: as long as a
	// client may take nothing of its answer, where [limits] does not say otherwise. It is no setting: who
	// is slow and moves does not meet it.
	writeTimeout = 30 * time.Second
	// looks are how often within that time one is taken at what has moved: it may end later by two.
	looks = 32
)

// errStalled ends the sending to a target that took nothing for that long.
var errStalled = errors.New("the target takes nothing")

// paced is a socket whose writes end with errStalled. Its deadline is only the next look: a write sets none
// and asks for no time, unless it has to wait or the last look was long ago. It lies below TLS, which cannot
// go on with a write that has met a deadline.
type paced struct {
	net.Conn
	patience time.Duration // with a peer that takes nothing; 0 for any
	looking  bool          // there is a deadline
	heard    atomic.Int64  // grows while the peer says something: it is busy with the exchange
	answer   atomic.Int32  // after, unread or awaited
}

// What becomes of the answer while a request is sent.
const (
	after   = iota // it is read when the request has left
	unread         // it may have come, and nobody reads it just now: the peer may have to wait for that
	awaited        // somebody waits for more of it
)

func newPaced(c net.Conn) *paced { return &paced{Conn: c} }

func (c *paced) Write(p []byte) (int, error) {
	return c.insist(func() (int, error) {
		n, err := c.Conn.Write(p)
		p = p[n:]
		return n, err
	})
}

func (c *paced) lookLater() error {
	c.looking = true
	return c.Conn.SetWriteDeadline(time.Now().Add(c.patience / looks))
}

// insist has a write go on that meets a deadline, as long as something moves. It tries again at each look: the
// system tells of room only when much of what it has for the peer was taken.
func (c *paced) insist(write func() (int, error)) (n int, err error) {
	if c.patience > 0 && !c.looking {
		if err := c.lookLater(); err != nil {
			return 0, err
		}
	}
	n, err = write()
	if err == nil || !c.looking || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	since, heard := time.Now(), c.heard.Load()
	for {
		if err := c.lookLater(); err != nil {
			return n, err
		}
		m, err := write()
		n += m
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		switch now, hears := time.Now(), c.heard.Load(); {
		case m > 0 || hears != heard || c.answer.Load() == unread:
			since, heard = now, hears
		case now.Sub(since) >= c.patience:
			return n, errStalled
		}
	}
}

// rest lets writes take their time from here on: what follows is no request.
func (c *paced) rest() error {
	c.patience = 0
	if !c.looking {
		return nil
	}
	c.looking = false
	return c.Conn.SetWriteDeadline(time.Time{})
}

// SetWriteDeadline is for those who mean a deadline, as TLS for its last words.
func (c *paced) SetWriteDeadline(t time.Time) error {
	c.patience, c.looking = 0, false
	return c.Conn.SetWriteDeadline(t)
}

// CloseWrite says that nothing more is sent; what the target still sends can be read.
func (c *paced) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
