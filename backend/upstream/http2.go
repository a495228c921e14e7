package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// shared is a connection that speaks HTTP/2: many exchanges use it at once. It is made by net/http,
// whose maps lose the order of fields; their values, and the order within a name, are kept.
type shared struct {
	conn   *http.ClientConn
	origin origin
	facts  flow.Conn

	mu   sync.Mutex
	used time.Time // when an exchange last had a place
}

// place is room for one exchange on a shared connection.
type place struct {
	*shared
	reused bool
}

// pings find out that a peer has gone without a word.
const (
	pingAfter = 30 * time.Second
	pingWait  = 15 * time.Second
)

// newShared speaks HTTP/2 over d, with a place reserved for the first exchange.
func newShared(ctx context.Context, d *dialled, o origin) (*shared, error) {
	conn, ok := d.conn.(*tls.Conn)
	if !ok {
		return nil, errors.New("HTTP/2 is spoken over TLS only")
	}
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	transport := &http.Transport{ // it opens one connection: the one that is there
		DialTLSContext:         func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		Protocols:              &protocols,
		DisableCompression:     true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWait},
		MaxResponseHeaderBytes: int64(http1.DefaultLimits.Head),
	}
	made, err := transport.NewClientConn(ctx, "https", o.address())
	if err != nil {
		return nil, err
	}
	s := &shared{conn: made, origin: o, facts: d.facts, used: time.Now()}
	if err := made.Reserve(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// reserve takes a place for one exchange; false when there is none.
func (s *shared) reserve() bool {
	if s.conn.Reserve() != nil {
		return false
	}
	s.touch()
	return true
}

func (s *shared) touch() {
	s.mu.Lock()
	s.used = time.Now()
	s.mu.Unlock()
}

func (s *shared) dead() bool { return s.conn.Err() != nil }

// idleSince tells that no exchange has used it after limit.
func (s *shared) idleSince(limit time.Time) bool {
	if s.conn.InFlight() > 0 {
		s.touch()
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.used.After(limit)
}

func (s *shared) close() { _ = s.conn.Close() } // the peer may be gone: nothing to report

// retire closes it after its last exchange.
func (s *shared) retire() {
	s.conn.SetStateHook(func(c *http.ClientConn) {
		if c.InFlight() == 0 {
			_ = c.Close()
		}
	})
	if s.conn.InFlight() == 0 {
		s.close()
	}
}

// send speaks HTTP/2.
func (l *place) send(k *call) (*flow.Response, error) {
	facts := l.facts
	facts.Reused = l.reused
	k.noteConnection(facts)
	s := newStream(k, l)
	k.x.Timing.SendStart = k.x.Since()
	answer, err := l.conn.RoundTrip(s.request())
	s.goOn()
	if err != nil {
		return nil, s.failed(k.doing("Waiting for the answer of %s"), err)
	}
	return s.respond(answer), nil
}
