package resolve

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// record is one of an answer.
type record struct {
	name string
	ttl  uint32
	data string // an address, or a name
}

// zone is what a DNS server of the tests knows, by name.
type zone map[string][]record

// serve opens a server on UDP and TCP. What change makes of an answer is sent, one message after another.
func serve(t *testing.T, z zone, change func(network string, answer []byte) [][]byte) System {
	t.Helper()
	packets, streams := listenBoth(t)
	if change == nil {
		change = func(_ string, answer []byte) [][]byte { return [][]byte{answer} }
	}
	var running sync.WaitGroup
	running.Go(func() {
		for b := make([]byte, 1500); ; {
			n, from, err := packets.ReadFrom(b)
			if err != nil {
				return
			}
			for _, m := range change("udp", z.answer(t, b[:n])) {
				_, _ = packets.WriteTo(m, from)
			}
		}
	})
	running.Go(func() {
		for {
			c, err := streams.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				b := make([]byte, 1500)
				if _, err := io.ReadFull(c, b[:2]); err != nil {
					return
				}
				query := b[2 : 2+binary.BigEndian.Uint16(b)]
				if _, err := io.ReadFull(c, query); err != nil {
					return
				}
				for _, m := range change("tcp", z.answer(t, query)) {
					m = append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)
					for _, one := range m { // in many pieces
						_, _ = c.Write([]byte{one})
					}
				}
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() {
		_, _ = packets.Close(), streams.Close()
		running.Wait()
	})
	return System{server: packets.LocalAddr().String()}
}

// listenBoth listens on one port of UDP and TCP: one that is free for one of them may not be for the other.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for {
		streams, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		packets, err := net.ListenPacket("udp", streams.Addr().String())
		if err == nil {
			return packets, streams
		}
		_ = streams.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

// answer is what the zone says to a query.
func (z zone) answer(t *testing.T, query []byte) []byte {
	var q dnsmessage.Message
	if err := q.Unpack(query); err != nil {
		t.Error(err)
		return nil
	}
	asked := q.Questions[0]
	a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true}, Questions: q.Questions}
	records, known := z[asked.Name.String()]
	if !known {
		a.RCode = dnsmessage.RCodeNameError
	}
	for _, r := range records {
		h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(r.name), Class: dnsmessage.ClassINET, TTL: r.ttl}
		ip, err := netip.ParseAddr(r.data)
		switch {
		case err != nil:
			h.Type = dnsmessage.TypeCNAME
			a.Answers = append(a.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(r.data)}})
		case ip.Is4() && asked.Type == dnsmessage.TypeA:
			a.Answers = append(a.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: ip.As4()}})
		case ip.Is6() && asked.Type == dnsmessage.TypeAAAA:
			a.Answers = append(a.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
		}
	}
	packed, err := a.Pack()
	if err != nil {
		t.Error(err)
	}
	return packed
}

func TestAnAnswerSaysHowLongItHolds(t *testing.T) {
	z := zone{
		"four.test.":  {{"four.test.", 300, "192.0.2.1"}},
		"both.test.":  {{"both.test.", 300, "192.0.2.1"}, {"both.test.", 20, "2001:db8::1"}},
		"many.test.":  {{"many.test.", 60, "192.0.2.1"}, {"many.test.", 5, "192.0.2.2"}},
		"alias.test.": {{"alias.test.", 7, "four.test."}, {"four.test.", 300, "192.0.2.1"}},
		"zero.test.":  {{"zero.test.", 0, "192.0.2.1"}},
		"odd.test.":   {{"odd.test.", 1 << 31, "192.0.2.1"}},
	}
	s := serve(t, z, nil)
	for _, c := range []struct {
		host string
		ips  []string
		ttl  time.Duration
	}{
		{"four.test.", []string{"192.0.2.1"}, 300 * time.Second},
		{"both.test.", []string{"192.0.2.1", "2001:db8::1"}, 20 * time.Second},
		{"many.test.", []string{"192.0.2.1", "192.0.2.2"}, 5 * time.Second},
		{"alias.test.", []string{"192.0.2.1"}, 7 * time.Second},
		{"zero.test.", []string{"192.0.2.1"}, time.Second},
		{"odd.test.", []string{"192.0.2.1"}, time.Second},
	} {
		ips, ttl, err := s.Lookup(t.Context(), c.host)
		var got []string
		for _, ip := range ips {
			got = append(got, ip.Unmap().String())
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, c.ips) || ttl != c.ttl {
			t.Errorf("%s: %v for %v, %v", c.host, got, ttl, err)
		}
	}
}

// TestWhatIsNotHeardOf: nobody says how long it holds.
func TestWhatIsNotHeardOf(t *testing.T) {
	s := serve(t, zone{}, nil)
	if ips, ttl, err := s.Lookup(t.Context(), "localhost"); err != nil || len(ips) == 0 || ttl != 0 {
		t.Errorf("of the hosts file: %v for %v, %v", ips, ttl, err)
	}
	_, ttl, err := s.Lookup(t.Context(), "nowhere.test.")
	if missing, ok := errors.AsType[*net.DNSError](err); !ok || !missing.IsNotFound || ttl != 0 {
		t.Errorf("of a name that is not there: %v, %v", ttl, err)
	}
	if ips, ttl, err := (System{}).Lookup(t.Context(), "127.0.0.1"); err != nil || len(ips) != 1 || ttl != 0 {
		t.Errorf("of an address: %v for %v, %v", ips, ttl, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	silent := serve(t, zone{}, func(string, []byte) [][]byte { return nil })
	if _, ttl, err := silent.Lookup(ctx, "a.test."); err == nil || ttl != 0 {
		t.Errorf("of a server that is silent: %v, %v", ttl, err)
	}
}

// TestALongAnswerIsAskedForByTCP: what was cut off says nothing.
func TestALongAnswerIsAskedForByTCP(t *testing.T) {
	z := zone{"long.test.": {{"long.test.", 40, "192.0.2.1"}}}
	s := serve(t, z, func(network string, answer []byte) [][]byte {
		if network == "udp" {
			var m dnsmessage.Message
			if err := m.Unpack(answer); err != nil {
				t.Error(err)
			}
			m.Truncated = true
			for i := range m.Answers {
				m.Answers[i].Header.TTL = 1
			}
			answer, _ = m.Pack()
		}
		return [][]byte{answer}
	})
	if ips, ttl, err := s.Lookup(t.Context(), "long.test."); err != nil || len(ips) != 1 || ttl != 40*time.Second {
		t.Errorf("%v for %v, %v", ips, ttl, err)
	}
}

// TestWhatOthersSendIsNotBelieved, as package net does not.
func TestWhatOthersSendIsNotBelieved(t *testing.T) {
	z := zone{"true.test.": {{"true.test.", 40, "192.0.2.1"}}}
	forged := func(answer []byte, change func(*dnsmessage.Message)) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil {
			t.Error(err)
		}
		for i := range m.Answers {
			m.Answers[i].Header.TTL = 2
		}
		change(&m)
		packed, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return packed
	}
	s := serve(t, z, func(_ string, answer []byte) [][]byte {
		return [][]byte{
			forged(answer, func(m *dnsmessage.Message) { m.ID++ }),
			forged(answer, func(m *dnsmessage.Message) { m.Response = false }),
			forged(answer, func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("other.test.") }),
			forged(answer, func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeMX }),
			{1, 2, 3},
			answer,
		}
	})
	if ips, ttl, err := s.Lookup(t.Context(), "true.test."); err != nil || len(ips) != 1 || ttl != 40*time.Second {
		t.Errorf("%v for %v, %v", ips, ttl, err)
	}
}

// TestTheSystemsOwnAnswer is what package net gives.
func TestTheSystemsOwnAnswer(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", name, "nowhere.invalid."} {
		want, wrong := net.DefaultResolver.LookupNetIP(t.Context(), "ip", host)
		got, _, err := System{}.Lookup(t.Context(), host)
		slices.SortFunc(want, netip.Addr.Compare)
		slices.SortFunc(got, netip.Addr.Compare)
		if !slices.Equal(got, want) || (err == nil) != (wrong == nil) {
			t.Errorf("%s: %v, %v in place of %v, %v", host, got, err, want, wrong)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	asked, err := query.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(asked)
	f.Add([]byte{})
	answer := query
	answer.Response = true
	for _, ttl := range []uint32{0, 60, 1 << 31} {
		answer.Answers = append(answer.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: query.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: ttl}, Body: &dnsmessage.AResource{},
		})
		packed, err := answer.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
		f.Add(packed[:len(packed)-3])
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		ttl, ok := ttlOf(asked, answer)
		if ttl < 0 || ttl > (1<<31-1)*time.Second || !ok && ttl != 0 {
			t.Errorf("%v, %v", ttl, ok)
		}
	})
}
