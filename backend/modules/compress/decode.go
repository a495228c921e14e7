package compress

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// limits are what may become of an answer that is undone.
type limits struct {
	ratio int64 // bytes of the answer for each that was sent
	size  int64 // bytes of the answer
}

// unsuspected is how much may come of any number of bytes: the ratio is looked at beyond it.
const unsuspected = 1 << 20

// decoded is a body that is decompressed while it is read.
type decoded struct {
	io.Reader // the last of layers
	from      io.ReadCloser
	layers    []*layer      // in the order in which they are undone
	running   *atomic.Int64 // one less when it is closed; nil where another one counts
	closed    bool
}

func (d *decoded) Read(p []byte) (int, error) {
	if d.closed {
		return 0, io.ErrClosedPipe
	}
	return d.Reader.Read(p)
}

func (d *decoded) Close() error {
	if !d.closed {
		d.closed = true
		for _, l := range d.layers {
			l.release()
		}
		if d.running != nil {
			d.running.Add(-1)
		}
	}
	return d.from.Close()
}

// undo makes body plain; codings are in the order in which they were applied.
func (c *compressor) undo(body io.ReadCloser, codings []coding, of string) *decoded {
	d := &decoded{Reader: body, from: body}
	for i := len(codings) - 1; i >= 0; i-- {
		l := &layer{
			source: source{from: d.Reader}, coding: codings[i], of: of, cell: c.cell, limits: c.limits,
			pool: &c.decoders[codings[i]], figures: c.figures,
		}
		d.layers, d.Reader = append(d.layers, l), l
	}
	return d
}

// layer undoes one coding.
type layer struct {
	source  source
	decoder decoder // nil before the first Read, and after release
	ended   error
	out     int64

	coding  coding
	of      string // whose answer it is
	cell    string
	limits  limits
	pool    *sync.Pool
	figures *figures
}

// source counts what the decoder takes, and the time that it waits for it.
type source struct {
	from   io.Reader
	in     int64
	waited time.Duration
	ended  error
}

func (s *source) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := s.from.Read(p)
	s.waited += time.Since(began)
	s.in += int64(n)
	if err != nil {
		s.ended = err
	}
	return n, err
}

func (l *layer) Read(p []byte) (int, error) {
	if l.ended != nil {
		return 0, l.ended
	}
	began, in, waited := time.Now(), l.source.in, l.source.waited
	n, err := l.decode(p)
	l.out += int64(n)
	l.figures.decoded[l.coding].add(l.source.in-in, int64(n), time.Since(began)-(l.source.waited-waited))
	if excess := l.tooMuch(); excess != nil {
		l.ended = excess
		return 0, excess
	}
	if err == nil {
		return n, nil
	}
	if l.ended = l.end(err); n > 0 && l.ended != io.EOF { // what came before the break is good
		return n, nil
	}
	return n, l.ended
}

// decode reads from the decoder. It begins only now, because the first bytes may have to be waited for.
func (l *layer) decode(p []byte) (int, error) {
	if l.decoder == nil {
		l.decoder, _ = l.pool.Get().(decoder)
		if err := l.decoder.Reset(&l.source); err != nil {
			return 0, err
		}
	}
	return l.decoder.Read(p)
}

// tooMuch is the problem with an answer that became larger than it may.
func (l *layer) tooMuch() error {
	switch {
	case l.out > l.limits.size:
		l.figures.broken[brokenSize].Add(1)
		return problem.New(problem.BadResponse, "Decompressing the answer of %s: it became larger than max_size (%d bytes) and was broken off. Raise max_size of %s, if such answers are meant.", l.of, l.limits.size, l.cell)
	case l.out > unsuspected && l.out/l.limits.ratio > l.source.in:
		l.figures.broken[brokenRatio].Add(1)
		return problem.New(problem.BadResponse, "Decompressing the answer of %s: %d bytes of %s became %d, more than max_ratio (%d times), and it was broken off. Raise max_ratio of %s, if such answers are meant.", l.of, l.source.in, l.coding, l.out, l.limits.ratio, l.cell)
	}
	return nil
}

// end says how the answer ended: at its end, for the reason for which the bytes ended, or because they
// are not what they should be.
func (l *layer) end(err error) error {
	if err == io.EOF {
		err = l.drain()
	}
	switch {
	case l.source.ended != nil && l.source.ended != io.EOF:
		return l.source.ended
	case err == nil, l.source.in == 0: // nothing was sent: nothing was coded
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("its end is missing")
	}
	if p, ok := errors.AsType[*problem.Problem](err); ok && p.Err != nil {
		err = p.Err
	}
	l.figures.broken[brokenData].Add(1)
	return problem.Wrap(problem.BadResponse, err, "Decompressing the answer of %s: after %d bytes it is no %s any more: %v. Look at what the server sends, or set decompress = false in %s.", l.of, l.source.in, l.coding, err, l.cell)
}

var errSurplus = errors.New("more follows behind its end")

// drain reads to the end of what was sent, behind which its trailer stands.
func (l *layer) drain() error {
	var rest [64]byte
	for l.source.ended == nil {
		if n, _ := l.source.Read(rest[:]); n > 0 { // its error stays in source.ended
			return errSurplus
		}
	}
	return nil
}

func (l *layer) release() {
	if l.decoder == nil {
		return
	}
	_ = l.decoder.Reset(flow.NoBody) // it lets go of the body; that there is none to begin with does not matter
	l.pool.Put(l.decoder)
	l.decoder = nil
}
