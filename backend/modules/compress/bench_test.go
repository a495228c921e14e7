package compress

import (
	"bytes"
	"io"
	"strconv"
	"testing"

	"proxycache/backend/flow"
)

func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name, accept, media string
		size                int
	}{
		{"left by type", "gzip, br, zstd", "image/png", 16 << 10},
		{"left by the client", "", "text/css", 16 << 10},
		{"zstd 16KiB", "zstd", "text/css", 16 << 10}, {"br 16KiB", "br", "text/css", 16 << 10}, {"gzip 16KiB", "gzip", "text/css", 16 << 10},
		{"zstd 1MiB", "zstd", "text/css", 1 << 20}, {"br 1MiB", "br", "text/css", 1 << 20}, {"gzip 1MiB", "gzip", "text/css", 1 << 20},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, data := policyOf(b, nil), words(c.size)
			h := fields("Content-Type: "+c.media, "Content-Length: "+strconv.Itoa(c.size), "ETag: \"a\"")
			x := asks("GET", "Accept-Encoding: "+c.accept)
			buf := make([]byte, 16<<10)
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			out := int64(0)
			for b.Loop() {
				x.Trail[0].Facts = x.Trail[0].Facts[:0]
				r, err := p.Apply(x, gives(&flow.Response{Status: 200, Header: h, Body: io.NopCloser(bytes.NewReader(data)), ContentLength: int64(c.size)}))
				if err != nil {
					b.Fatal(err)
				}
				out = 0
				for {
					n, err := r.Body.Read(buf)
					out += int64(n)
					if err == io.EOF {
						break
					}
				}
				_ = r.Body.Close()
			}
			b.ReportMetric(float64(c.size)/float64(out), "ratio")
		})
	}
}

// words is a text of n bytes that repeats itself as texts do.
func words(n int) []byte {
	list := []string{"server", "client", "cache", "stream", "header", "body", "with", "and", "the", "of", "request", "answer", "{\"id\":", "},\n", "true", "null"}
	var out []byte
	for seed := uint32(1); len(out) < n; {
		seed = seed*1664525 + 1013904223
		out = append(out, list[seed>>28]...)
		out = strconv.AppendUint(out, uint64(seed>>20&63), 10)
		out = append(out, ' ')
	}
	return out[:n]
}
