package compress

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/molecule-man/go-brrr"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/schema"
)

// reporter is what *testing.T and *rapid.T have in common.
type reporter interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func policyOf(t reporter, values map[string]any) *compressor {
	t.Helper()
	s := new(Settings)
	if problems := schema.Decode("", values, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := s.Policy(policy.NewEnv("shop/compress", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	c, ok := p.(*compressor)
	if !ok {
		t.Fatalf("the policy is a %T", p)
	}
	return c
}

// fields reads "Name: value" lines.
func fields(lines ...string) flow.Header {
	var h flow.Header
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func asks(method string, lines ...string) *flow.Exchange {
	x := flow.NewExchange(context.Background(), flow.Reverse, &flow.Request{
		Method: method, Scheme: "http", Authority: "shop.localhost", Target: "/", Proto: "HTTP/1.1",
		Header: fields(lines...), Body: flow.NoBody,
	})
	x.Enter("shop/compress", "compress")
	return x
}

// answer is a response of a known length, but for -1.
func answer(body io.ReadCloser, length int64, lines ...string) *flow.Response {
	return &flow.Response{Status: 200, Proto: "HTTP/1.1", Header: fields(lines...), Body: body, ContentLength: length}
}

// gives is what stands behind the cell.
func gives(r *flow.Response) policy.Next {
	return func(*flow.Exchange) (*flow.Response, error) { return r, nil }
}

// body remembers that it was closed.
type body struct {
	io.Reader
	closed atomic.Bool
}

func (b *body) Close() error { b.closed.Store(true); return nil }

func bodyOf(data []byte) *body { return &body{Reader: bytes.NewReader(data)} }

// fed is a body whose pieces come one by one.
type fed struct {
	pieces chan []byte
	rest   []byte
	err    error // behind the last; nil is io.EOF
	told   bool
}

func feed() *fed { return &fed{pieces: make(chan []byte, 1024)} }

func (f *fed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		piece, more := <-f.pieces
		if !more {
			f.told = true
			if f.err != nil {
				return 0, f.err
			}
			return 0, io.EOF
		}
		f.rest = piece
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *fed) Close() error { return nil }
func (f *fed) Ready() bool  { return len(f.rest)+len(f.pieces) > 0 }

// decode undoes a coding with a reader of the library, of the standard one where there is one.
func decode(t reporter, name string, from io.Reader) io.Reader {
	t.Helper()
	var r io.Reader
	var err error
	switch name {
	case "gzip":
		r, err = gzip.NewReader(from)
	case "deflate":
		r, err = zlib.NewReader(from)
	case "br":
		r = brrr.NewReader(from)
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20)); err == nil {
			r = d.IOReadCloser()
		}
	default:
		r = from
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

type flusher interface {
	io.WriteCloser
	Flush() error
}

// writer makes a coding with the library.
func writer(t reporter, name string, to io.Writer) flusher {
	t.Helper()
	switch name {
	case "gzip":
		return gzip.NewWriter(to)
	case "deflate":
		return zlib.NewWriter(to)
	case "br":
		w, err := brrr.NewWriter(to, 5)
		if err != nil {
			t.Fatal(err)
		}
		return w
	case "zstd":
		w, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	t.Fatalf("the test knows no coding %q", name)
	return nil
}

func coded(t reporter, name string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := writer(t, name, &out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(t reporter, from io.Reader) []byte {
	t.Helper()
	data, err := io.ReadAll(from)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(data), err)
	}
	return data
}

// fact is what the cell noted under name.
func fact(x *flow.Exchange, name string) string {
	var all []string
	for _, f := range x.Trail[0].Facts {
		if f.Name == name {
			all = append(all, f.Value)
		}
	}
	return strings.Join(all, ", ")
}

// figure is the sum of a figure's values, of those with a label of that value where one is given.
func figure(c *compressor, name, label string) (sum float64) {
	for _, f := range c.State().Figures {
		for _, l := range f.Labels {
			if f.Name == name && l.Value == label {
				sum += f.Value
			}
		}
		if f.Name == name && label == "" {
			sum += f.Value
		}
	}
	return sum
}

// page is a text of about n bytes that can be compressed.
func page(n int) []byte {
	return bytes.Repeat([]byte("<li>the same words, the same words</li>\n"), n/40+1)[:n]
}

// atRest fails where a stream is still counted.
func atRest(t *testing.T, c *compressor) {
	t.Helper()
	if n := c.figures.running.Load(); n != 0 {
		t.Errorf("%d streams are counted though all are closed", n)
	}
}
