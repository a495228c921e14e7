package upstream

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// frames speaks HTTP/2 to p and answers every request with what write writes.
func frames(t *testing.T, write func(f *http2.Framer, stream uint32)) (address string) {
	t.Helper()
	return serve(t, func(p *peer) {
		if _, err := io.ReadFull(p.in, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		f := http2.NewFramer(p.Conn, p.in)
		if f.WriteSettings() != nil {
			return
		}
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = f.WriteSettingsAck()
				}
			case *http2.PingFrame:
				if !frame.IsAck() {
					_ = f.WritePing(true, frame.Data)
				}
			case *http2.HeadersFrame:
				write(f, frame.StreamID)
			}
		}
	})
}

// fieldsOf is a field section of "name: value", as it stands.
func fieldsOf(lines ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, line := range lines {
		name, value, _ := strings.Cut(line[1:], ":")
		_ = e.WriteField(hpack.HeaderField{Name: line[:1] + name, Value: strings.TrimPrefix(value, " ")})
	}
	return b.Bytes()
}

type section struct {
	lines []string
	ends  bool
}

func head(f *http2.Framer, stream uint32, s section) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: fieldsOf(s.lines...), EndHeaders: true, EndStream: s.ends})
}

func TestMalformedAnswersOfHTTP2AreRefused(t *testing.T) {
	many := make([]section, maxInterim+1)
	for i := range many {
		many[i] = section{lines: []string{":status: 103", "link: </a>"}}
	}
	for _, c := range []struct {
		name  string
		heads []section
		want  string
	}{
		{"four digits", []section{{[]string{":status: 2000"}, true}}, "three digits"},
		{"leading zero", []section{{[]string{":status: 0200"}, true}}, "three digits"},
		{"a sign", []section{{[]string{":status: +200"}, true}}, "three digits"},
		{"two digits", []section{{[]string{":status: 99"}, true}}, "three digits"},
		{"connection", []section{{[]string{":status: 200", "connection: close"}, true}}, "the field connection"},
		{"keep-alive", []section{{[]string{":status: 200", "keep-alive: timeout=5"}, true}}, "the field keep-alive"},
		{"proxy-connection", []section{{[]string{":status: 200", "proxy-connection: close"}, true}}, "the field proxy-connection"},
		{"transfer-encoding", []section{{[]string{":status: 200", "transfer-encoding: chunked"}, true}}, "the field transfer-encoding"},
		{"upgrade", []section{{[]string{":status: 426", "upgrade: x"}, true}}, "the field upgrade"},
		{"a head with no end of the stream", []section{{[]string{":status: 200", "upgrade: x"}, false}}, "the field upgrade"},
		{"an interim one with connection", []section{{[]string{":status: 103", "connection: close"}, false}, {[]string{":status: 200"}, true}}, "the field connection"},
		{"two lengths", []section{{[]string{":status: 200", "content-length: 0", "content-length: 5"}, true}}, "more than once"},
		{"a length in letters", []section{{[]string{":status: 200", "content-length: abc"}, true}}, `"abc"`},
		{"a list of lengths", []section{{[]string{":status: 200", "content-length: 5, 5"}, false}}, `"5, 5"`},
		{"101", []section{{[]string{":status: 101"}, false}, {[]string{":status: 200"}, true}}, "switched"},
		{"interim ones without end", many, "interim responses"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := openTo(t, "h2c://"+frames(t, func(f *http2.Framer, stream uint32) {
				for _, s := range c.heads {
					if head(f, stream, s) != nil {
						return
					}
				}
			}))
			x := ask(t, "GET", "/")
			passed := 0
			x.Interim = func(int, flow.Header) { passed++ }
			if got := refused(t, p, x, problem.BadResponse); !strings.Contains(got, c.want) {
				t.Errorf("the message is %q, want %q in it", got, c.want)
			}
			if passed > maxInterim {
				t.Errorf("%d interim responses were passed on", passed)
			}
		})
	}
}

func TestOddAnswersOfHTTP2ArePassedOnMended(t *testing.T) {
	p := openTo(t, "h2c://"+frames(t, func(f *http2.Framer, stream uint32) {
		_ = head(f, stream, section{lines: []string{":status: 999", "x-blank:  \t a b \t "}})
		_ = f.WriteData(stream, false, []byte("body"))
		_ = head(f, stream, section{[]string{"content-length: 9", "host: evil", "set-cookie: a=b", "x-sum: 42", "grpc-status: 0"}, true})
	}))
	r := send(t, p, ask(t, "GET", "/"))
	if got := r.Header.Get("x-blank"); r.Status != 999 || got != "a b" {
		t.Errorf("answered %d with %q", r.Status, got)
	}
	if body := read(t, r); body != "body" {
		t.Errorf("the body is %q", body)
	}
	if h := r.Trailer(); len(h) != 2 || h.Get("x-sum") != "42" || h.Get("grpc-status") != "0" {
		t.Errorf("the trailer is %v", h)
	}
}
