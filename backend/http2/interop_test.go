package http2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2/hpack"

	"proxycache/backend/flow"
)

// listen serves connections in the clear on a port of its own.
func listen(t testing.TB, handler handlerFunc, o Options) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []*Conn
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := New(conn, handler, o)
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			running.Go(func() { _ = c.Serve() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Drain()
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().String()
}

// client is net/http's, which knows that the server speaks HTTP/2.
func client(t testing.TB) *http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &protocols, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func echo(s *Stream) {
	h := flow.Header{{Name: "X-Method", Value: s.Request.Method}, {Name: "X-Order", Value: namesOf(s.Request.Header)}}
	if s.Request.Header.Has("x-large") {
		h.Add("X-Large", strings.Repeat("x", 50_000))
	}
	if s.Begin(200, h) != nil {
		return
	}
	if _, err := io.Copy(s, s); err != nil {
		return
	}
	_ = s.Finish(nil, append(s.Trailer(), flow.Field{Name: "X-End", Value: "reached"}))
}

func namesOf(h flow.Header) string {
	var out []string
	for _, f := range h {
		out = append(out, f.Name)
	}
	return strings.Join(out, " ")
}

func TestTheClientOfTheStandardLibrary(t *testing.T) {
	url := "http://" + listen(t, echo, Options{}) + "/"
	c := client(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 256<<10)
	for _, body := range [][]byte{nil, []byte("hello"), large} {
		r, err := http.NewRequest(http.MethodPost, url, io.NopCloser(bytes.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Large", "please")
		r.Trailer = http.Header{"X-Sum": {"9"}}
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || !bytes.Equal(got, body) || answer.Trailer.Get("X-End") != "reached" || answer.Trailer.Get("X-Sum") != "9" || len(answer.Header.Get("X-Large")) != 50_000 {
			t.Errorf("%d bytes of %d came back, %v, trailer %v", len(got), len(body), err, answer.Trailer)
		}
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	url := "http://" + listen(t, echo, Options{}) + "/"
	c := client(t)
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			body := strings.Repeat(strconv.Itoa(i), 1+i*100)
			answer, err := c.Post(url, "text/plain", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			if got, err := io.ReadAll(answer.Body); err != nil || string(got) != body {
				t.Errorf("request %d: %d bytes of %d, %v", i, len(got), len(body), err)
			}
		})
	}
	all.Wait()
}

func TestBothWaysAtOnce(t *testing.T) {
	url := "http://" + listen(t, echo, Options{}) + "/"
	r, w := io.Pipe()
	request, err := http.NewRequest(http.MethodPost, url, r)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	for i := range 1000 {
		message := fmt.Sprintf("message %4d", i)
		if _, err := io.WriteString(w, message); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(message))
		if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != message {
			t.Fatalf("heard %q, %v", got, err)
		}
	}
	_ = w.Close()
	if _, err := io.ReadAll(answer.Body); err != nil || answer.Trailer.Get("X-End") != "reached" {
		t.Errorf("the end: %v, %v", err, answer.Trailer)
	}
}

func TestAClientThatGoesOnWhileOthersLeave(t *testing.T) {
	handler := func(s *Stream) {
		if s.Request.Path == "/hold" {
			gone := make(chan struct{})
			s.OnGone(func() { close(gone) })
			<-gone
			return
		}
		echo(s)
	}
	url := "http://" + listen(t, handler, Options{})
	c := client(t)
	for range 50 {
		ctx, leave := context.WithTimeout(t.Context(), 2*time.Millisecond)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/hold", nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := c.Do(r); err == nil {
			_ = answer.Body.Close()
			t.Error("it is answered")
		}
		leave()
	}
	answer, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
}

func TestCurlAndNghttp(t *testing.T) {
	url := "http://" + listen(t, func(s *Stream) {
		_ = s.Begin(200, flow.Header{{Name: "Content-Type", Value: "text/plain"}})
		body, _ := io.ReadAll(s)
		_ = s.Finish(append(body, strings.Repeat("x", 100_000)...), nil)
	}, Options{}) + "/"
	for _, c := range []struct {
		program string
		args    []string
	}{
		{"curl", []string{"-sS", "--http2-prior-knowledge", "--max-time", "10", "-d", "hello", url}},
		{"nghttp", []string{"--no-dep", url}},
	} {
		t.Run(c.program, func(t *testing.T) {
			path, err := exec.LookPath(c.program)
			if err != nil {
				t.Skip(c.program + " is not installed")
			}
			out, err := exec.CommandContext(t.Context(), path, c.args...).CombinedOutput()
			if err != nil || strings.Count(string(out), "x") < 100_000 {
				t.Errorf("%v: %.300s", err, out)
			}
		})
	}
}

// A client that reads nothing while it asks for much makes us hold a buffer, not the answers.
func TestMemoryIsBoundedByTheClientsReading(t *testing.T) {
	handler := func(s *Stream) {
		_ = s.Begin(200, nil)
		var chunk [16 << 10]byte
		for range 1 << 10 { // 16 MB each
			if _, err := s.Write(chunk[:]); err != nil {
				return
			}
		}
	}
	converse(t, handler, Options{}, func(c *talk) {
		c.set(settingWindow, maxWindow)
		c.update(0, maxWindow-initialWindow)
		c.all()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		<-c.reading
		for i := range uint32(100) {
			c.get(2*i+1, "/")
		}
		synctest.Wait()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		c.reading <- struct{}{}
	})
}

// BenchmarkServe is one request after another on one connection, with an answer of 1 KB.
func BenchmarkServe(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	h := flow.Header{{Name: "Content-Type", Value: "text/plain"}, {Name: "Content-Length", Value: "1024"}, {Name: "Server", Value: "origin"}}
	address := listen(b, func(s *Stream) {
		if s.Begin(200, h) == nil {
			_ = s.Finish(body, nil)
		}
	}, Options{})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	c := &talk{conn: conn}
	c.encoder = hpack.NewEncoder(&c.block)
	c.say(preface)
	c.set(settingWindow, maxWindow)
	c.update(0, maxWindow-initialWindow)
	fields := request("GET", "/", "user-agent", "bench", "accept", "*/*")
	c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode(fields...))
	c.frame(kindSettings, flagAck, 0, nil)
	in := &input{conn: conn}
	untilEnd(b, in)
	block := c.encode(fields...) // by the table from here on
	out := make([]byte, 0, 100)
	stream := uint32(1)
	b.ReportAllocs()
	for b.Loop() {
		stream += 2
		out = append(appendHeader(out[:0], kindHeaders, flagEndHeaders|flagEndStream, stream, len(block)), block...)
		if _, err := conn.Write(out); err != nil {
			b.Fatal(err)
		}
		untilEnd(b, in)
		if stream%1000 == 1 {
			c.update(0, 500*1024)
		}
	}
}

// untilEnd reads up to the end of an answer.
func untilEnd(b *testing.B, in *input) {
	for {
		if in.unread() >= frameHeader {
			f, length := readHeader(in.buf[in.from:])
			if in.unread() >= frameHeader+length {
				in.from += frameHeader + length
				if f.kind == kindData && f.has(flagEndStream) {
					return
				}
				continue
			}
		}
		in.room(largeInput)
		if err := in.read(); err != nil {
			b.Fatal(err)
		}
	}
}
