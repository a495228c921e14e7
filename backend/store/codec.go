package store

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// The field `rest` of a detail: what is only looked at, never searched. Numbers are varints, texts
// their length and their bytes, lists their length and their items, all in the order of appendRest.
// A change of this order is a new restVersion, and readRest reads the old ones still.
const restVersion = 2

// headlessVersion is that of before the steps of pools had heads.
const headlessVersion = 1

// fingerprint is the SHA-256 of a certificate, which is kept once for all exchanges.
type fingerprint [sha256.Size]byte

func fingerprintOf(c *x509.Certificate) fingerprint { return sha256.Sum256(c.Raw) }

func appendRest(b []byte, r *flow.Record) []byte {
	b = append(b, restVersion)
	b = append(b, r.ID[:]...)
	for _, text := range [...]string{r.RequestProto, r.ResponseProto, r.Upstream, r.SentTo} {
		b = appendText(b, text)
	}
	b = appendStored(b, r.RequestBody)
	b = appendStored(b, r.ResponseBody)
	b = appendHeader(b, r.RequestTrailer)
	b = appendHeader(b, r.ResponseTrailer)
	for _, moment := range moments(&r.Timing) {
		b = appendInt(b, int64(*moment))
	}
	b = appendConn(b, r.ClientConn)
	b = appendConn(b, r.TargetConn)
	b = appendTrail(b, r)
	return appendProblem(b, r.Problem)
}

func moments(t *flow.Timing) [10]*time.Duration {
	return [...]*time.Duration{&t.DNSStart, &t.DNSDone, &t.ConnectStart, &t.ConnectDone, &t.TLSStart, &t.TLSDone, &t.SendStart, &t.Sent, &t.FirstByte, &t.Done}
}

func appendInt(b []byte, n int64) []byte { return binary.AppendVarint(b, n) }

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBit(b []byte, bit bool) []byte {
	if bit {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendStored(b []byte, s flow.Stored) []byte {
	return appendText(appendText(b, s.Type), s.Encoding)
}

func appendHeader(b []byte, h flow.Header) []byte {
	b = binary.AppendUvarint(b, uint64(len(h)))
	for _, f := range h {
		b = appendText(appendText(b, f.Name), f.Value)
	}
	return b
}

func appendConn(b []byte, c flow.Conn) []byte {
	b = appendText(appendText(b, c.Local), c.Remote)
	b = appendBit(b, c.Reused)
	if b = appendBit(b, c.TLS != nil); c.TLS == nil {
		return b
	}
	for _, text := range [...]string{c.TLS.Version, c.TLS.Cipher, c.TLS.ALPN, c.TLS.SNI} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(c.TLS.Chain)))
	for _, cert := range c.TLS.Chain {
		hash := fingerprintOf(cert)
		b = append(b, hash[:]...)
	}
	return b
}

func appendTrail(b []byte, r *flow.Record) []byte {
	b = binary.AppendUvarint(b, uint64(len(r.Trail)))
	for i := range r.Trail {
		s := &r.Trail[i]
		for _, text := range [...]string{s.Cell, s.Module, string(s.Verdict), s.Why} {
			b = appendText(b, text)
		}
		b = binary.AppendUvarint(b, uint64(len(s.Facts)))
		for _, f := range s.Facts {
			b = appendText(appendText(b, f.Name), f.Value)
		}
		b = appendInt(appendInt(b, int64(s.Before)), int64(s.After))
		b = appendDelta(appendDelta(b, s.Request), s.Response)
		b = appendHead(appendHead(b, s.Sent, r.RequestHead), s.Came, r.ResponseHead)
	}
	return b
}

func appendDelta(b []byte, d *flow.Delta) []byte {
	if d == nil {
		d = &flow.Delta{}
	}
	b = binary.AppendUvarint(b, uint64(len(d.Header)))
	for _, e := range d.Header {
		b = appendText(appendText(appendText(appendText(b, e.Op), e.Name), e.Was), e.Now)
	}
	b = appendText(appendText(b, d.Line[0]), d.Line[1])
	return appendBit(b, d.Body)
}

// appendProblem leaves the cause out: its text is in the message where it says something to a person.
func appendProblem(b []byte, p *problem.Problem) []byte {
	if b = appendBit(b, p != nil); p == nil {
		return b
	}
	b = appendText(appendText(appendText(b, string(p.Kind)), p.Where), p.Message)
	return appendInt(appendInt(b, int64(p.Line)), int64(p.Column))
}

var errRest = errors.New("its details are not readable")

// restReader reads what appendRest wrote. After a fault it reads zero values, and err says so.
type restReader struct {
	b       []byte
	err     error
	version byte
	// chains takes the fingerprints of a connection's certificates; they are looked up afterwards.
	chains map[*flow.TLS][]fingerprint
}

// readRest fills in r, whose heads are there already; chains are the certificates still to be looked up.
func readRest(b []byte, r *flow.Record) (chains map[*flow.TLS][]fingerprint, err error) {
	d := &restReader{b: b, chains: map[*flow.TLS][]fingerprint{}}
	if version := d.bytes(1); d.err == nil {
		d.version = version[0]
	}
	if d.version < headlessVersion || d.version > restVersion {
		return nil, errRest
	}
	r.ID, _ = uuid.FromBytes(d.bytes(len(r.ID)))
	for _, text := range [...]*string{&r.RequestProto, &r.ResponseProto, &r.Upstream, &r.SentTo} {
		*text = d.text()
	}
	r.RequestBody.Type, r.RequestBody.Encoding = d.text(), d.text()
	r.ResponseBody.Type, r.ResponseBody.Encoding = d.text(), d.text()
	r.RequestTrailer, r.ResponseTrailer = d.header(), d.header()
	for _, moment := range moments(&r.Timing) {
		*moment = time.Duration(d.int())
	}
	r.ClientConn, r.TargetConn = d.conn(), d.conn()
	r.Trail = d.trail(r)
	r.Problem = d.problem()
	return d.chains, d.err
}

func (d *restReader) bytes(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.b) {
		d.err = errRest
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}

func (d *restReader) int() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.err, d.b = errRest, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *restReader) number() int {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > math.MaxInt32 {
		d.err, d.b = errRest, nil
		return 0
	}
	d.b = d.b[size:]
	return int(n)
}

// length is a count of bytes or items, each of which takes at least one byte.
func (d *restReader) length() int {
	n := d.number()
	if n > len(d.b) {
		d.err, d.b = errRest, nil
		return 0
	}
	return n
}

func (d *restReader) text() string { return string(d.bytes(d.length())) }

func (d *restReader) bit() bool {
	b := d.bytes(1)
	return len(b) == 1 && b[0] == 1
}

func (d *restReader) header() flow.Header {
	var h flow.Header
	for range d.length() {
		h = append(h, flow.Field{Name: d.text(), Value: d.text()})
	}
	return h
}

func (d *restReader) conn() flow.Conn {
	c := flow.Conn{Local: d.text(), Remote: d.text(), Reused: d.bit()}
	if !d.bit() {
		return c
	}
	c.TLS = &flow.TLS{Version: d.text(), Cipher: d.text(), ALPN: d.text(), SNI: d.text()}
	for range d.length() {
		if b := d.bytes(sha256.Size); b != nil {
			d.chains[c.TLS] = append(d.chains[c.TLS], fingerprint(b))
		}
	}
	return c
}

func (d *restReader) trail(r *flow.Record) flow.Trail {
	var t flow.Trail
	for range d.length() {
		s := flow.Step{Cell: d.text(), Module: d.text(), Verdict: flow.Verdict(d.text()), Why: d.text()}
		for range d.length() {
			s.Facts = append(s.Facts, flow.Fact{Name: d.text(), Value: d.text()})
		}
		s.Before, s.After = time.Duration(d.int()), time.Duration(d.int())
		s.Request, s.Response = d.delta(), d.delta()
		if d.version > headlessVersion {
			s.Sent, s.Came = d.head(r.RequestHead), d.head(r.ResponseHead)
		}
		t = append(t, s)
	}
	return t
}

// delta is nil where nothing changed.
func (d *restReader) delta() *flow.Delta {
	var out flow.Delta
	for range d.length() {
		out.Header = append(out.Header, flow.FieldEdit{Op: d.text(), Name: d.text(), Was: d.text(), Now: d.text()})
	}
	out.Line = [2]string{d.text(), d.text()}
	out.Body = d.bit()
	if len(out.Header) == 0 && out.Line == [2]string{} && !out.Body {
		return nil
	}
	return &out
}

func (d *restReader) problem() *problem.Problem {
	if !d.bit() {
		return nil
	}
	return &problem.Problem{Kind: problem.Kind(d.text()), Where: d.text(), Message: d.text(), Line: int(d.int()), Column: int(d.int())}
}
