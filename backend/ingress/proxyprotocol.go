package ingress

import (
	"sync"
	"time"

	"proxycache/backend/proxyprotocol"
)

// introduced reads the header of the PROXY protocol that stands before all else on this connection,
// and takes the client's address from it. False: the connection is to be closed, because its peer is
// not trusted to say who it comes from, or did not say it.
func (c *client) introduced() bool {
	log := c.server.options.Log
	if !c.trusted() {
		if n := c.bound.strangers.tell(); n > 0 {
			log.Warn("closed connections of peers that are not trusted to send the PROXY protocol: add the load balancer to `trusted`",
				"address", c.bound.address, "peer", c.facts.Remote, "connections", n)
		}
		return false
	}
	h, err := c.introduction()
	if err != nil {
		log.Debug("closed a connection without a header of the PROXY protocol", "address", c.bound.address, "peer", c.facts.Remote, "error", err)
		return false
	}
	if h.Source.IsValid() {
		c.address, c.facts.Remote = h.Source, h.Source.String()
	}
	return true
}

func (c *client) introduction() (proxyprotocol.Header, error) {
	c.in.await()
	for {
		come := c.reader.Buffered()
		h, n, err := proxyprotocol.Parse(come)
		if n > 0 || err != nil {
			c.reader.Discard(n)
			return h, err
		}
		if _, err := c.reader.Peek(len(come) + 1); err != nil {
			return h, err
		}
	}
}

// strangersEvery is how often they are told of.
const strangersEvery = time.Minute

// strangers counts connections that are closed unheard, so that a flood of them is one line a minute.
type strangers struct {
	mu    sync.Mutex
	count int
	next  time.Time
}

// tell counts one more, and is how many there were since it was told last; 0 when it is too early to
// tell again.
func (s *strangers) tell() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	now := time.Now()
	if now.Before(s.next) {
		return 0
	}
	n := s.count
	s.count, s.next = 0, now.Add(strangersEvery)
	return n
}
