package export

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"proxycache/backend/flow"
)

// heard is a request as the origin got it.
type heard struct {
	line   string // method, target, protocol
	fields flow.Header
	body   []byte
}

// wire is an origin on bare TCP: it keeps the bytes it hears and answers each request with 200.
type wire struct {
	address string
	mu      sync.Mutex
	heard   []heard
}

func openWire(t *testing.T) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: l.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { w.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return w
}

func (w *wire) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		h, err := hear(in)
		if err != nil {
			return
		}
		if strings.HasPrefix(h.fields.Get("User-Agent"), "Proxycache") { // one that runs here looks for local servers
			continue
		}
		w.mu.Lock()
		w.heard = append(w.heard, h)
		w.mu.Unlock()
		answer := "ok"
		if strings.HasPrefix(h.line, "HEAD ") {
			answer = ""
		}
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: seen=1\r\n\r\n%s", answer); err != nil {
			return
		}
		if h.fields.HasToken("Connection", "close") {
			return
		}
	}
}

func hear(in *bufio.Reader) (heard, error) {
	var h heard
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return h, err
		}
		line = strings.TrimSuffix(line, "\r\n")
		if h.line == "" {
			h.line = line
			continue
		}
		if line == "" {
			h.body = make([]byte, length)
			_, err := io.ReadFull(in, h.body)
			return h, err
		}
		name, value, _ := strings.Cut(line, ":")
		h.fields.Add(name, strings.TrimPrefix(value, " "))
		if flow.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return h, err
			}
		}
	}
}

// take is what was heard since the last take.
func (w *wire) take() []heard {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.heard
	w.heard = nil
	return all
}

// captured is a record of a request to authority, as the recorder makes it. Fields are raw lines.
func captured(authority, method, target string, body []byte, fields ...string) *flow.Record {
	head := method + " " + target + " HTTP/1.1\r\nHost: " + authority + "\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	if len(body) > 0 {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	r := &flow.Record{
		Seq: 1, Door: flow.Reverse, State: flow.Done, Method: method, Scheme: "http", Authority: authority, Target: target,
		RequestProto: "HTTP/1.1", RequestHead: []byte(head + "\r\n"),
	}
	all := fieldsOf(r.RequestHead)
	r.RequestBody = flow.Stored{
		Size: int64(len(body)), Kept: int64(len(body)), Type: all.Get("Content-Type"), Encoding: all.Get("Content-Encoding"),
	}
	return r
}
