// Package coding undoes the content codings of HTTP bodies (RFC 9110 §8.4).
package coding

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/molecule-man/go-brrr"

	"proxycache/backend/problem"
)

// zstdWindow is how much memory one zstd body may ask for: RFC 9659 lets a window have 8 MiB.
const zstdWindow = 64 << 20

// Decode undoes the codings that a Content-Encoding names, the last applied first. Closing what it
// returns frees the decoders and leaves body open. An unknown coding and a broken beginning are an
// error here, a broken middle is one of Read.
func Decode(body io.Reader, encoding string) (io.ReadCloser, error) {
	codings := strings.Split(strings.ToLower(encoding), ",")
	stack := decoders{Reader: body}
	for i := len(codings) - 1; i >= 0; i-- {
		if err := stack.push(strings.TrimSpace(codings[i])); err != nil {
			_ = stack.Close() // nothing was written: there is nothing to lose
			return nil, problem.Wrap(problem.Invalid, err, "Undoing the content coding %q: %v. Look at the bytes as sent.", encoding, err)
		}
	}
	return &stack, nil
}

// decoders reads through the last of them; each reads from the one before it.
type decoders struct {
	io.Reader
	open []io.Closer
}

func (d *decoders) push(coding string) error {
	switch coding {
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(d.Reader)
		if err != nil {
			return err
		}
		d.add(z)
	case "deflate":
		z, err := inflate(d.Reader)
		if err != nil {
			return err
		}
		d.add(z)
	case "br":
		d.add(brrr.NewReader(d.Reader))
	case "zstd":
		z, err := zstd.NewReader(d.Reader, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(zstdWindow))
		if err != nil {
			return err
		}
		d.add(z.IOReadCloser())
	case "identity", "":
	default:
		return errors.New("it is not one that is known here")
	}
	return nil
}

func (d *decoders) add(z io.ReadCloser) { d.Reader, d.open = z, append(d.open, z) }

func (d *decoders) Close() error {
	var errs []error
	for _, z := range d.open {
		errs = append(errs, z.Close())
	}
	return errors.Join(errs...)
}

// inflate reads "deflate": by the standard that is zlib (RFC 9110 §8.4.1.2), and some send it bare.
func inflate(in io.Reader) (io.ReadCloser, error) {
	var head [2]byte
	n, err := io.ReadFull(in, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	whole := io.MultiReader(strings.NewReader(string(head[:n])), in)
	if n == 2 && head[0]&0x0f == 8 && (uint16(head[0])<<8|uint16(head[1]))%31 == 0 {
		return zlib.NewReader(whole)
	}
	return flate.NewReader(whole), nil
}
