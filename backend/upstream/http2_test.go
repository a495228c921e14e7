package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

var quietLog = log.New(io.Discard, "", 0) // handshakes that fail are what some tests are about

// openTLS is a pool for an origin that speaks HTTP/2.
func openTLS(t *testing.T, handler http.HandlerFunc, change func(s *Settings)) *Pool {
	t.Helper()
	ours := newAuthority(t)
	s := settings("https://localhost:" + serveTLS(t, ours.leaf(t, -1, 1, "localhost"), handler) + "/base")
	s.CA = ours.file
	if change != nil {
		change(&s)
	}
	return open(t, s, Options{})
}

func TestHTTP2IsSpokenWhereItIsOffered(t *testing.T) {
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		w.Header()["X-Many"] = []string{"b", "a"}
		_, _ = fmt.Fprintf(w, "%s %s %s ua=%q te=%q", r.Method, r.RequestURI, r.Host, r.Header["User-Agent"], r.Header.Get("Te"))
	}, nil)
	for i, method := range []string{"GET", "GET", "HEAD"} {
		x := ask(t, method, "//a%2Fb?q=%20", "Connection: keep-alive", "TE: trailers", "Keep-Alive: 5")
		r := send(t, p, x)
		body := read(t, r)
		if want := `GET /base//a%2Fb?q=%20 shop.localhost ua=[] te="trailers"`; method == "GET" && body != want {
			t.Errorf("answered %q, want %q", body, want)
		}
		if method == "HEAD" && (body != "" || r.ContentLength <= 0) {
			t.Errorf("HEAD gives %q of length %d", body, r.ContentLength)
		}
		if r.Proto != "HTTP/2.0" || r.Header.Get("x-proto") != "HTTP/2.0" || strings.Join(r.Header.Values("x-many"), "") != "ba" {
			t.Errorf("the response is %s %v", r.Proto, r.Header)
		}
		if c := x.TargetConn; c.TLS == nil || c.TLS.ALPN != "h2" || c.TLS.SNI != "localhost" || !strings.HasPrefix(c.TLS.Version, "TLS 1.") || len(c.TLS.Chain) == 0 || c.Reused != (i > 0) {
			t.Errorf("the connection is %+v, %+v", c, c.TLS)
		}
		if m := x.Timing; m.FirstByte == 0 || m.Sent == 0 || (m.TLSDone > 0) != (i == 0) {
			t.Errorf("times %+v", m)
		}
	}
}

func TestManyExchangesShareOneConnection(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.RemoteAddr] = true
		mu.Unlock()
	}, nil)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			r, err := p.Send(ask(t, "GET", "/"))
			if err != nil {
				t.Error(err)
				return
			}
			_ = r.Body.Close()
		})
	}
	all.Wait()
	if len(seen) != 1 {
		t.Errorf("50 exchanges made %d connections", len(seen))
	}
}

func TestHTTP2CanBeTurnedOff(t *testing.T) {
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }, func(s *Settings) { s.HTTP2 = false })
	for i := range 2 {
		x := ask(t, "GET", "/")
		if body := read(t, send(t, p, x)); body != "HTTP/1.1" || x.TargetConn.TLS.ALPN != "http/1.1" || x.TargetConn.Reused != (i > 0) {
			t.Errorf("answered %q over %+v", body, x.TargetConn)
		}
	}
}

func TestAnUpgradeTakesHTTP1ToAServerThatOffersBoth(t *testing.T) {
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_, _ = io.WriteString(w, r.Proto)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw")
	}, nil)
	if body := get(t, p, "/"); body != "HTTP/2.0" {
		t.Errorf("an ordinary request was answered %q", body)
	}
	r := send(t, p, ask(t, "GET", "/", "Connection: Upgrade", "Upgrade: x"))
	if r.Upgraded == nil {
		t.Fatalf("answered %d", r.Status)
	}
	if got, err := io.ReadAll(r.Upgraded); string(got) != "raw" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	_ = r.Upgraded.Close()
	if body := get(t, p, "/"); body != "HTTP/2.0" {
		t.Errorf("after it one was answered %q", body)
	}
}

func TestHTTP2StreamsBothWaysWithTrailers(t *testing.T) {
	sums := make(chan string, 1)
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-End")
		_ = http.NewResponseController(w).Flush() // the answer begins before the body comes
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = http.NewResponseController(w).Flush()
			if err != nil {
				break
			}
		}
		sums <- r.Trailer.Get("X-Sum")
		w.Header().Set("X-End", "yes")
	}, nil)
	body, write := io.Pipe()
	x := ask(t, "POST", "/", "Trailer: X-Sum", "Transfer-Encoding: chunked")
	r := send(t, p, withBody(x, &trailing{body, x.Request}, -1))
	buf := make([]byte, 100)
	for _, piece := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(write, piece); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Body.Read(buf); string(buf[:n]) != piece || err != nil {
			t.Fatalf("the echo of %q is %q, %v", piece, buf[:n], err)
		}
	}
	_ = write.Close()
	if rest := read(t, r); rest != "" {
		t.Errorf("then came %q", rest)
	}
	if sum := within(t, sums, "the trailer"); sum != "42" {
		t.Errorf("the request's trailer is %q", sum)
	}
	if h := r.Trailer(); len(h) != 1 || h[0] != (flow.Field{Name: "x-end", Value: "yes"}) {
		t.Errorf("the response's trailer is %v", h)
	}
}

func TestInterimResponsesPassOverHTTP2(t *testing.T) {
	p := openTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "final")
	}, nil)
	x := ask(t, "GET", "/")
	var got []string
	x.Interim = func(status int, h flow.Header) { got = append(got, fmt.Sprint(status, h)) }
	if body := read(t, send(t, p, x)); body != "final" || fmt.Sprint(got) != "[103 [{link </a.css>} {Via 2.0 proxycache}]]" {
		t.Errorf("answered %q after %q", body, got)
	}
}

func TestAClientThatLeavesEndsTheStreamAndNotTheConnection(t *testing.T) {
	reached, gone := make(chan bool, 1), make(chan bool, 1)
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/base/fine" {
			return
		}
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		reached <- true
		<-r.Context().Done()
		gone <- true
	}, nil)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r := send(t, p, askIn(ctx, flow.Reverse, "GET", "http://shop.localhost/forever"))
	within(t, reached, "the request")
	leave()
	within(t, gone, "the target learns that the client left")
	if _, err := io.ReadAll(r.Body); problem.KindOf(err) != problem.ClientLeft {
		t.Errorf("the body ends with %v", err)
	}
	_ = r.Body.Close()
	x := ask(t, "GET", "/fine")
	_ = read(t, send(t, p, x))
	if !x.TargetConn.Reused {
		t.Error("the connection ended with the stream")
	}
}

func TestHTTP2ResponsesThatFail(t *testing.T) {
	var hold atomic.Bool
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/base/half":
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/base/silent":
			hold.Store(true)
			<-r.Context().Done()
		default:
			panic(http.ErrAbortHandler)
		}
	}, func(s *Settings) { s.ResponseTimeout = schema.Duration(200 * time.Millisecond) })
	r := send(t, p, ask(t, "GET", "/half"))
	if body, err := io.ReadAll(r.Body); string(body) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) || problem.KindOf(err) != problem.Terminated {
		t.Errorf("read %q, %v", body, err)
	}
	_ = r.Body.Close()
	refused(t, p, ask(t, "GET", "/none"), problem.Terminated)
	if got := refused(t, p, ask(t, "GET", "/silent"), problem.ReadTimeout); !hold.Load() || !strings.Contains(got, "200ms") {
		t.Errorf("the message is %q", got)
	}
}

func TestAClientBodyThatBreaksOffNeverLooksCompleteOverHTTP2(t *testing.T) {
	got := make(chan error, 1)
	p := openTLS(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		got <- err
	}, nil)
	for name, length := range map[string]int64{"with a length": 10, "without": -1} {
		t.Run(name, func(t *testing.T) {
			body := io.MultiReader(strings.NewReader("abc"), failing{errors.New("gone")})
			refused(t, p, withBody(ask(t, "POST", "/"), body, length), problem.ClientLeft)
			if err := within(t, got, "the end of the body"); err == nil {
				t.Error("the target took it for complete")
			}
		})
	}
	t.Run("an end too early", func(t *testing.T) {
		refused(t, p, withBody(ask(t, "POST", "/"), strings.NewReader("abc"), 10), problem.ClientLeft)
		if err := within(t, got, "the end of the body"); err == nil {
			t.Error("the target took it for complete")
		}
	})
}

func TestAnUnusedHTTP2ConnectionEndsWithItsPool(t *testing.T) {
	held, more := make(chan bool, 1), make(chan bool)
	p := openTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		held <- true
		<-more
		_, _ = io.WriteString(w, "rest")
	}, nil)
	r := send(t, p, ask(t, "GET", "/"))
	within(t, held, "the request")
	s := p.balance.all()[0].site.shared[0]
	_ = p.Close()
	if s.dead() {
		t.Error("a connection in use was closed")
	}
	close(more)
	if body := read(t, r); body != "halfrest" {
		t.Errorf("the running exchange reads %q", body)
	}
	for end := time.Now().Add(patience); !s.dead(); {
		if time.Now().After(end) {
			t.Fatal("the connection outlives its last exchange")
		}
	}
}

// net/http may tell of a request's end when the exchange is over, and its memory serves another.
func TestWhatIsToldLateTouchesNoOtherExchange(t *testing.T) {
	p := openTLS(t, func(http.ResponseWriter, *http.Request) {}, func(s *Settings) { s.ResponseTimeout = schema.Duration(time.Minute) })
	x := ask(t, "GET", "/")
	s := newStream(newCall(p, x, p.seats[0].named), &place{shared: &shared{}})
	tell := s.trace()
	s.goOn()
	x.Release()
	tell.GotFirstResponseByte()
	tell.WroteRequest(httptrace.WroteRequestInfo{})
}
