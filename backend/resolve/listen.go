package resolve

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// listen has h hear the answers that come on a connection to a DNS server.
func (h *holding) listen(c net.Conn) net.Conn {
	if c, ok := c.(*net.UDPConn); ok {
		return &datagrams{UDPConn: c, heard: h}
	}
	return &stream{Conn: c, heard: h}
}

// datagrams bring a message each. Package net must see that it is a PacketConn.
type datagrams struct {
	*net.UDPConn
	heard *holding
	query []byte
}

func (d *datagrams) Write(p []byte) (int, error) {
	d.query = slices.Clone(p)
	return d.UDPConn.Write(p)
}

func (d *datagrams) Read(p []byte) (int, error) {
	n, err := d.UDPConn.Read(p)
	if ttl, ok := ttlOf(d.query, p[:n]); ok {
		d.heard.take(ttl)
	}
	return n, err
}

// stream brings one message behind its length (RFC 1035 §4.2.2), in answer to one such.
type stream struct {
	net.Conn
	heard *holding
	query []byte
	came  []byte // nil once the message was there
	over  bool
}

func (s *stream) Write(p []byte) (int, error) {
	s.query = append(s.query, p...)
	return s.Conn.Write(p)
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if s.over {
		return n, err
	}
	s.came = append(s.came, p[:n]...)
	query, asked := message(s.query)
	answer, whole := message(s.came)
	if asked && whole {
		if ttl, ok := ttlOf(query, answer); ok {
			s.heard.take(ttl)
		}
		s.came, s.over = nil, true
	}
	return n, err
}

// message takes one from behind its length, where all of it is there.
func message(b []byte) ([]byte, bool) {
	if len(b) < 2 {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, false
	}
	return b[2 : 2+n], true
}

// ttlOf is how long the addresses in an answer hold; not ok where it is none to the query, as others may send
// one, or has no addresses.
func ttlOf(query, answer []byte) (ttl time.Duration, ok bool) {
	var q, a dnsmessage.Parser
	asks, err := q.Start(query)
	if err != nil {
		return 0, false
	}
	asked, err := q.Question()
	if err != nil {
		return 0, false
	}
	says, err := a.Start(answer)
	if err != nil || !says.Response || says.Truncated || says.ID != asks.ID || says.RCode != dnsmessage.RCodeSuccess {
		return 0, false
	}
	about, err := a.Question()
	if err != nil || about.Type != asked.Type || about.Class != asked.Class || !strings.EqualFold(about.Name.String(), asked.Name.String()) {
		return 0, false
	}
	if a.SkipAllQuestions() != nil {
		return 0, false
	}
	return shortest(&a)
}

// shortest is that of the records which lead to an address. Where one cannot be read, package net takes none.
func shortest(a *dnsmessage.Parser) (ttl time.Duration, ok bool) {
	ttl = holds(1<<31 - 1)
	for {
		h, err := a.AnswerHeader()
		if err == dnsmessage.ErrSectionDone && ok {
			return ttl, true
		}
		if err != nil {
			return 0, false
		}
		switch h.Type {
		case dnsmessage.TypeA, dnsmessage.TypeAAAA:
			ok = true
			ttl = min(ttl, holds(h.TTL))
		case dnsmessage.TypeCNAME:
			ttl = min(ttl, holds(h.TTL))
		}
		if a.SkipAnswer() != nil {
			return 0, false
		}
	}
}

// holds is a TTL as a time; one with the highest bit set is none (RFC 2181 §8).
func holds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}
