package http1

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

const typicalRequest = "GET /api/v1/items?page=2&sort=name HTTP/1.1\r\n" +
	"Host: www.example.org:8080\r\n" +
	"Connection: keep-alive\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" +
	"Referer: http://www.example.org:8080/\r\n" +
	"Cookie: session=4f9d2c7a1b8e4f6d9c3a5b7e1d2f4a6c; theme=dark\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Site: same-origin\r\n\r\n"

const smallRequest = "GET /1k HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"

const typicalResponse = "HTTP/1.1 200 OK\r\n" +
	"Date: Tue, 02 Jul 2024 10:00:00 GMT\r\n" +
	"Content-Type: application/json; charset=utf-8\r\n" +
	"Content-Length: 1234\r\n" +
	"Connection: keep-alive\r\n" +
	"Cache-Control: private, max-age=0, must-revalidate\r\n" +
	"ETag: \"4f9d2c7a1b8e4f6d\"\r\n" +
	"Vary: Accept-Encoding\r\n" +
	"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\r\n"

// endless gives the same text again and again.
type endless struct{ text string }

func (e endless) Read(p []byte) (int, error) { return copy(p, e.text), nil }

func BenchmarkReadRequest(b *testing.B) {
	for name, text := range map[string]string{"small": smallRequest, "typical": typicalRequest} {
		b.Run(name, func(b *testing.B) {
			r := NewReader(endless{text}, Limits{})
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ReadRequest(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseRequest(b *testing.B) {
	text := []byte(typicalRequest)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseRequest(text, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseResponse(b *testing.B) {
	text := []byte(typicalResponse)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseResponse(text, "GET", Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChunkedBody(b *testing.B) {
	text := []byte(strings.Repeat("2000\r\n"+strings.Repeat("x", 8<<10)+"\r\n", 128) + "0\r\n\r\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(bytes.NewReader(text), Limits{})
		if _, err := io.Copy(io.Discard, r.Body(&Head{Length: Chunked})); err != nil {
			b.Fatal(err)
		}
		r.Release()
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	h, _, err := ParseResponse([]byte(typicalResponse), "GET", Limits{})
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendResponse(dst[:0], h.Proto, h.Status, h.Reason, h.Header)
	}
	if len(dst) == 0 {
		b.Fatal("nothing was printed")
	}
}
