package http2

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/net/http2/hpack"
)

// block is a header block that is coming: HEADERS and its CONTINUATIONs (RFC 9113 §4.3). It is decoded
// as it comes, wanted or not, for the decoder's table is the connection's. It belongs to the
// goroutine of Serve.
type block struct {
	open    bool // its end has not come
	stream  uint32
	ends    bool // END_STREAM
	itself  bool // it depends on itself
	began   time.Time
	frames  int // CONTINUATIONs
	bytes   int // before decoding
	section section
}

// maxBlock bounds the bytes of a block beside the limit of what is in it: compressed, a header is
// mostly smaller.
func (o *Options) maxBlock() int { return 2*o.HeaderSize + maxFrame }

// headers begins a block.
func (c *Conn) headers(f frame) *Error {
	b := &c.block
	switch {
	case f.stream == 0:
		return connection(ProtocolError, "HEADERS on stream 0 (RFC 9113 §6.2)")
	case f.stream%2 == 0:
		return connection(ProtocolError, "a client opens stream %d, its streams are odd (RFC 9113 §5.1.1)", f.stream)
	}
	whole := len(f.payload)
	if err := f.padded(); err != nil {
		return err
	}
	b.itself = false
	if f.has(flagPriority) {
		switch {
		case len(f.payload) < 5 && f.has(flagPadded) && whole > 5: // without the padding it would have room
			return connection(ProtocolError, "the padding of HEADERS reaches into their priority (RFC 9113 §6.2)")
		case len(f.payload) < 5:
			return connection(FrameSizeError, "HEADERS are too short for their priority (RFC 9113 §6.2)")
		}
		b.itself = dependency(f.payload) == f.stream
		f.payload = f.payload[5:]
	}
	b.open, b.stream, b.ends = true, f.stream, f.has(flagEndStream)
	b.frames, b.bytes = 0, 0
	if !f.has(flagEndHeaders) {
		b.began = time.Now()
	}
	b.section.reset()
	c.decoder.SetMaxStringLength(2 * c.limits().HeaderSize)
	b.section.trailer = c.isOpen(f.stream)
	return c.fragment(f)
}

// dependency is the stream that another depends on (RFC 9113 §6.3): all that still matters of it is
// that it is not itself.
func dependency(p []byte) (stream uint32) { return binary.BigEndian.Uint32(p) & maxID }

func (c *Conn) continuation(f frame) *Error {
	b := &c.block
	if !b.open {
		return connection(ProtocolError, "CONTINUATION without a header block (RFC 9113 §6.10)")
	}
	if b.frames++; b.frames > maxContinuations+c.limits().maxBlock()/maxFrame {
		return connection(EnhanceYourCalm, "a header block has %d CONTINUATIONs", b.frames)
	}
	if len(f.payload) == 0 && !f.has(flagEndHeaders) {
		if err := c.spend(empty); err != nil {
			return err
		}
	}
	return c.fragment(f)
}

// fragment decodes what came of the block.
func (c *Conn) fragment(f frame) *Error {
	b := &c.block
	begins := b.bytes == 0
	if b.bytes += len(f.payload); b.bytes > c.limits().maxBlock() {
		return connection(EnhanceYourCalm, "a header block has more than %d bytes", c.limits().maxBlock())
	}
	if n := resize(f.payload); begins && n > 0 {
		// A second one may follow (RFC 7541 §4.2), and the decoder takes one only where a block begins.
		if _, err := c.decoder.Write(f.payload[:n]); err != nil {
			return notDecoded(err)
		}
		if err := c.decoder.Close(); err != nil {
			return notDecoded(err)
		}
		f.payload = f.payload[n:]
	}
	if _, err := c.decoder.Write(f.payload); err != nil {
		return notDecoded(err)
	}
	if !f.has(flagEndHeaders) {
		return nil
	}
	if err := c.decoder.Close(); err != nil {
		return notDecoded(err)
	}
	b.open = false
	b.section.bake()
	return c.complete()
}

// resize is how long the update of the table's size is that p begins with (RFC 7541 §6.3); 0 where
// none does, or not all of it is there.
func resize(p []byte) int {
	if len(p) == 0 || p[0]&0xe0 != 0x20 {
		return 0
	}
	if p[0]&0x1f != 0x1f {
		return 1
	}
	for i, b := range p[1:] {
		if b&0x80 == 0 {
			return i + 2
		}
	}
	return 0
}

func notDecoded(err error) *Error {
	if errors.Is(err, hpack.ErrStringLength) {
		return connection(EnhanceYourCalm, "a field is far longer than a whole header may be")
	}
	return connection(CompressionError, "a header block cannot be decoded: %v (RFC 9113 §4.3)", err)
}
