package compress

import (
	"io"
	"math/bits"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/molecule-man/go-brrr"

	bodies "proxycache/backend/coding"
)

// levelOf is what a name means to a coding.
func levelOf(name string, c coding) int {
	levels := map[string][3]int{"fastest": {1, 1, 1}, "default": {5, 5, 3}, "best": {9, 7, 9}}[name]
	return levels[c]
}

// ownLevel is the level that was set for one coding; 0 where none was.
func (s *Settings) ownLevel(name string) int {
	return map[string]int{"gzip": s.GzipLevel, "br": s.BrLevel, "zstd": s.ZstdLevel}[name]
}

// encoder is what the libraries' encoders have in common. Flush writes what can be decoded up to here.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// encoders are those of one coding and level that are at rest.
type encoders struct {
	sync.Pool        // of *work
	level     string // "5"
}

func (s *Settings) encoders(c coding) *encoders {
	level := s.ownLevel(c.String())
	if level == 0 {
		level = levelOf(s.Level, c)
	}
	return &encoders{
		Pool:  sync.Pool{New: func() any { return &work{encoder: newEncoder(c, level, int(s.Window))} }},
		level: strconv.Itoa(level),
	}
}

const (
	// brotliWindow is the largest that each decoder of br has to have room for, as a power of two.
	brotliWindow = 22
	// zstdWindow is the largest that a frame may ask of a client (RFC 9659 §3).
	zstdWindow = 8 << 20
)

// newEncoder makes an encoder that works in the goroutine of who calls it, but for br from level 10,
// which has two of its own. The settings have been checked: no option is refused.
func newEncoder(c coding, level, window int) encoder {
	switch c {
	case codingGzip:
		w, _ := gzip.NewWriterLevel(nil, level)
		return w
	case codingBrotli:
		w, _ := brrr.NewWriterOptions(nil, level, brrr.WriterOptions{LGWin: min(bits.Len(uint(window))-1, brotliWindow)})
		return w
	}
	w, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithWindowSize(window))
	return w
}

// decoder is what the libraries' decoders have in common.
type decoder interface {
	io.Reader
	Reset(io.Reader) error
}

// decoderOf makes decoders of c that work in the goroutine of who reads.
func decoderOf(c coding) func() any {
	switch c {
	case codingGzip:
		return func() any { return new(gzip.Reader) }
	case codingBrotli:
		return func() any { return new(unbrotler) }
	case codingZstd:
		return func() any {
			d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
			return d
		}
	}
	return func() any { return new(inflater) }
}

// unbrotler undoes "br".
type unbrotler struct{ brrr.Reader }

func (u *unbrotler) Reset(from io.Reader) error { u.Reader.Reset(unfinished{from}); return nil }

// unfinished is read only for as long as something is missing: its end is unexpected.
type unfinished struct{ io.Reader }

func (u unfinished) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	switch {
	case err != io.EOF:
		return n, err
	case n > 0:
		return n, nil
	}
	return 0, io.ErrUnexpectedEOF
}

// inflater undoes "deflate", in both the forms that are sent.
type inflater struct{ io.ReadCloser }

func (i *inflater) Reset(from io.Reader) (err error) {
	i.ReadCloser, err = bodies.Decode(from, codingDeflate.String())
	return err
}
