package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestAnExchangeIsSentAndItsConnectionUsedAgain(t *testing.T) {
	address := serve(t, answering)
	p := openTo(t, "http://"+address)
	for i, want := range []string{"new", "reused", "reused"} {
		x := ask(t, "GET", "/v1/items?x=1")
		r := send(t, p, x)
		if body := read(t, r); r.Status != 200 || !strings.HasPrefix(body, "GET /v1/items?x=1 HTTP/1.1\r\n") {
			t.Errorf("answered %d %q", r.Status, body)
		}
		if r.Reason != "OK" || r.Proto != "HTTP/1.1" || !strings.HasPrefix(string(r.RawHead), "HTTP/1.1 200 OK\r\n") || r.ContentLength <= 0 {
			t.Errorf("the response is %+v", r)
		}
		if got := fact(x, "connection"); got != want || x.TargetConn.Reused != (i > 0) {
			t.Errorf("exchange %d: the connection is %q, %+v", i, got, x.TargetConn)
		}
		if x.Upstream != "shop" || x.Target != address || fact(x, "target") != address || x.TargetConn.Remote != address {
			t.Errorf("sent to %q of %q: %+v", x.Target, x.Upstream, x.TargetConn)
		}
		m := x.Timing
		if m.SendStart <= 0 || m.Sent < m.SendStart || m.FirstByte < m.Sent || (m.ConnectDone > 0) != (i == 0) || m.DNSDone != 0 || m.TLSDone != 0 {
			t.Errorf("exchange %d: times %+v", i, m)
		}
	}
}

func TestAPathInTheTargetStandsBeforeEveryPath(t *testing.T) {
	p := openTo(t, "http://"+serve(t, answering)+"/base/")
	for target, want := range map[string]string{"/": "/base/", "/a//b?c=%2F": "/base/a//b?c=%2F"} {
		if got := get(t, p, target); !strings.HasPrefix(got, "GET "+want+" HTTP/1.1\r\n") {
			t.Errorf("%s was sent as %q", target, got)
		}
	}
	x := ask(t, "OPTIONS", "/")
	x.Request.Target = "*"
	if got := read(t, send(t, p, x)); !strings.HasPrefix(got, "OPTIONS * HTTP/1.1\r\n") {
		t.Errorf("* was sent as %q", got)
	}
}

func TestBodiesPassAsTheyAreFramed(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 8<<10)
	cases := []struct {
		name, body string
		length     int64
		want       string // of the head
	}{
		{"small", "a=1&b=2", 7, "Content-Length: 7\r\n"},
		{"large", big, int64(len(big)), fmt.Sprintf("Content-Length: %d\r\n", len(big))},
		{"chunked", big, -1, "Transfer-Encoding: chunked\r\n"},
		{"empty and chunked", "", -1, "Transfer-Encoding: chunked\r\n"},
		{"none, where one is expected", "", 0, "Content-Length: 0\r\n"},
	}
	type heard struct{ head, body string }
	got := make(chan heard, 1)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		for {
			head := p.head()
			if head == "" {
				return
			}
			var h heard
			h.head = head
			if strings.Contains(head, "chunked") {
				h.body = p.chunked(nil)
			} else {
				_, rest, _ := strings.Cut(head, "Content-Length: ")
				n := 0
				_, _ = fmt.Sscan(rest, &n)
				h.body = p.take(n)
			}
			got <- h
			p.ok("heard")
		}
	}))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := ask(t, "POST", "/")
			if c.length != 0 {
				withBody(x, strings.NewReader(c.body), c.length)
			}
			if body := read(t, send(t, p, x)); body != "heard" {
				t.Errorf("answered %q", body)
			}
			h := within(t, got, "the request")
			if h.body != c.body {
				t.Errorf("%d bytes arrived, want %d", len(h.body), len(c.body))
			}
			if !strings.Contains(h.head, c.want) || strings.Count(h.head, "Content-Length:")+strings.Count(h.head, "Transfer-Encoding:") != 1 {
				t.Errorf("framed as %q", h.head)
			}
			if x.Timing.Sent == 0 {
				t.Error("the time of the last byte is missing")
			}
		})
	}
}

// chunked reads a chunked body, each chunk given to each as it comes; trailers are left out.
func (p *peer) chunked(each func(chunk string)) string {
	var b strings.Builder
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return b.String() + "(cut)"
		}
		n := 0
		if _, err := fmt.Sscanf(line, "%x", &n); err != nil {
			return b.String() + "(broken)"
		}
		if n == 0 {
			for line != "\r\n" {
				if line, err = p.in.ReadString('\n'); err != nil {
					return b.String() + "(cut)"
				}
			}
			return b.String()
		}
		chunk := p.take(n)
		b.WriteString(chunk)
		p.take(2)
		if each != nil {
			each(chunk)
		}
	}
}

// trailing is a body whose trailers come with its end, as the ingress gives them.
type trailing struct {
	io.Reader
	r *flow.Request
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.r.Trailer = flow.Header{{Name: "X-Hop", Value: "1"}, {Name: "X-Sum", Value: "42"}, {Name: "Via", Value: "1.1 me"}, {Name: "X-Forwarded-For", Value: "1.2.3.4"}}
	}
	return n, err
}

func TestTrailersPassBothWays(t *testing.T) {
	got := make(chan string, 1)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		line := ""
		for line != "0\r\n" {
			line, _ = p.in.ReadString('\n')
		}
		line, _ = p.in.ReadString('\n')
		got <- line
		p.take(2)
		p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\nConnection: X-Hop\r\n\r\n3\r\nabc\r\n0\r\nX-Hop: 1\r\nX-End: yes\r\nProxy-Authentication-Info: x\r\n\r\n")
		answering(p)
	}))
	x := ask(t, "POST", "/", "Trailer: X-Sum", "Connection: x-hop")
	withBody(x, &trailing{strings.NewReader("abc"), x.Request}, -1)
	r := send(t, p, x)
	if body := read(t, r); body != "abc" || r.ContentLength != -1 {
		t.Errorf("answered %q of length %d", body, r.ContentLength)
	}
	if line := within(t, got, "the trailer"); line != "X-Sum: 42\r\n" {
		t.Errorf("the trailer is %q", line)
	}
	if h := r.Trailer(); len(h) != 1 || h[0] != (flow.Field{Name: "X-End", Value: "yes"}) {
		t.Errorf("the response's trailer is %v", h)
	}
	if r.Header.Has("Transfer-Encoding") || r.Header.Get("Trailer") != "X-End" {
		t.Errorf("the response's fields are %v", r.Header)
	}
	again := ask(t, "GET", "/")
	_ = read(t, send(t, p, again))
	if !again.TargetConn.Reused {
		t.Error("the connection was not used again")
	}
}

func TestResponsesWithoutABody(t *testing.T) {
	cases := []struct {
		method, head string
		length       int64
	}{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", 1234},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -1},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n", 0},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 99},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0},
	}
	heads := make(chan string, 1)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		for p.head() != "" {
			p.say("%s", <-heads)
		}
	}))
	for i, c := range cases {
		heads <- c.head
		x := ask(t, c.method, "/")
		r := send(t, p, x)
		if r.Body != flow.NoBody || r.ContentLength != c.length {
			t.Errorf("%q gives a body %v of length %d", c.head, r.Body, r.ContentLength)
		}
		if x.TargetConn.Reused != (i > 0) {
			t.Errorf("%q: reused is %v", c.head, x.TargetConn.Reused)
		}
	}
}

func TestTheResponseMayRunBesideTheRequest(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		p.chunked(func(chunk string) { p.say("%x\r\n%s\r\n", len(chunk), chunk) })
		p.say("0\r\n\r\n")
		p.rest()
	}))
	body, write := io.Pipe()
	r := send(t, p, withBody(ask(t, "POST", "/echo"), body, -1))
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
	if n := idleCount(p); n != 1 {
		t.Errorf("%d connections are kept, want 1", n)
	}
}

func TestAnEarlyResponseEndsTheUpload(t *testing.T) {
	got := make(chan string, 1)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch")
		got <- p.chunked(nil)
	}))
	body, write := io.Pipe()
	r := send(t, p, withBody(ask(t, "POST", "/"), body, -1))
	if text := read(t, r); r.Status != 413 || text != "much" {
		t.Errorf("answered %d %q", r.Status, text)
	}
	if body := within(t, got, "the end of the upload"); body != "(cut)" {
		t.Errorf("the server read %q", body)
	}
	if n := idleCount(p); n != 0 {
		t.Errorf("%d connections are kept though the request is not whole", n)
	}
	_ = write.Close()
}

func TestAClientBodyThatBreaksOffNeverLooksComplete(t *testing.T) {
	broken := errors.New("the client is gone")
	cases := []struct {
		name   string
		length int64
		body   io.Reader
		want   string // what the target has of the body
	}{
		{"chunked", -1, io.MultiReader(strings.NewReader("abc"), failing{broken}), "3\r\nabc\r\n"},
		{"with a length", 20_000, io.MultiReader(strings.NewReader("abc"), failing{broken}), "abc"},
		{"small, after its beginning", 10, io.MultiReader(strings.NewReader("abc"), failing{broken}), "abc"},
		{"an end too early", 10, strings.NewReader("abc"), "abc"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := make(chan string, 1)
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				p.head()
				got <- p.rest()
			}))
			refused(t, p, withBody(ask(t, "POST", "/"), c.body, c.length), problem.ClientLeft)
			if body := within(t, got, "the end of the connection"); body != c.want {
				t.Errorf("the target got %q, want %q", body, c.want)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestABodyThatFailsBeforeItsFirstByteLeavesTheConnection(t *testing.T) {
	p := openTo(t, "http://"+serve(t, answering))
	refused(t, p, withBody(ask(t, "POST", "/"), failing{io.ErrUnexpectedEOF}, 10), problem.ClientLeft)
	x := ask(t, "GET", "/")
	_ = read(t, send(t, p, x))
	if !x.TargetConn.Reused {
		t.Error("nothing was sent, but the connection is gone")
	}
}

func TestInterimResponsesPass(t *testing.T) {
	for _, expects := range []bool{false, true} {
		t.Run(fmt.Sprintf("expects 100 %v", expects), func(t *testing.T) {
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				p.head()
				p.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x\r\n\r\n")
				p.ok("final")
				p.rest()
			}))
			x := ask(t, "GET", "/", "Expect: 100-continue")
			x.Request.ExpectContinue = expects
			var got []string
			x.Interim = func(status int, h flow.Header) { got = append(got, fmt.Sprint(status, h)) }
			if body := read(t, send(t, p, x)); body != "final" {
				t.Errorf("answered %q", body)
			}
			want := []string{"103 [{Link </a.css>} {Via 1.1 proxycache}]"}
			if expects {
				want = append([]string{"100 [{Via 1.1 proxycache}]"}, want...)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("passed on %q, want %q", got, want)
			}
			if x.Timing.FirstByte == 0 {
				t.Error("the time of the first byte is missing")
			}
		})
	}
}

func TestInterimResponsesWithoutEndAreRefused(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("%s", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim+1))
		p.rest()
	}))
	refused(t, p, ask(t, "GET", "/"), problem.BadResponse)
}

func TestAnUpgradeGivesTheConnection(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		head := p.head()
		if !strings.Contains(head, "\r\nUpgrade: websocket\r\n") || !strings.Contains(head, "\r\nConnection: Upgrade\r\n") {
			p.say("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")
			return
		}
		p.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nahead")
		p.say("heard %s", p.rest())
	}))
	r := send(t, p, ask(t, "GET", "/ws", "Connection: keep-alive, Upgrade", "Upgrade: websocket"))
	if r.Status != 101 || r.Upgraded == nil || r.Body != flow.NoBody || r.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("answered %+v", r)
	}
	if _, err := io.WriteString(r.Upgraded, "hello"); err != nil {
		t.Fatal(err)
	}
	half, ok := r.Upgraded.(interface{ CloseWrite() error })
	if !ok {
		t.Fatal("the connection cannot be closed by half")
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r.Upgraded); string(got) != "aheadheard hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if err := r.Upgraded.Close(); err != nil {
		t.Error(err)
	}
	if idleCount(p) != 0 {
		t.Error("an upgraded connection is kept for later")
	}
}

func TestAnUpgradeThatIsDeclinedIsAnOrdinaryResponse(t *testing.T) {
	p := openTo(t, "http://"+serve(t, answering))
	r := send(t, p, ask(t, "GET", "/ws", "Connection: Upgrade", "Upgrade: websocket"))
	if body := read(t, r); r.Status != 200 || r.Upgraded != nil || !strings.Contains(body, "Upgrade: websocket") {
		t.Errorf("answered %d %q", r.Status, body)
	}
}

func TestASwitchThatNobodyAskedForIsRefused(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		p.rest()
	}))
	refused(t, p, ask(t, "GET", "/"), problem.BadResponse)
}

func TestAnUpgradedConnectionEndsWithItsExchange(t *testing.T) {
	gone := make(chan string, 1)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		gone <- p.rest()
	}))
	ctx, leave := context.WithCancel(t.Context())
	r := send(t, p, askIn(ctx, flow.Reverse, "GET", "http://shop.localhost/", "Connection: Upgrade", "Upgrade: x"))
	leave()
	within(t, gone, "the target learns that the client left")
	if _, err := r.Upgraded.Read(make([]byte, 1)); err == nil {
		t.Error("the connection can still be read")
	}
	_ = r.Upgraded.Close()
}

func TestAClientThatLeavesEndsTheTargetsConnection(t *testing.T) {
	type point struct {
		name  string
		serve func(p *peer)
	}
	headThenSilence := func(p *peer) { p.head() }
	halfABody := func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	}
	for _, c := range []point{{"before the head", headThenSilence}, {"in the body", halfABody}} {
		t.Run(c.name, func(t *testing.T) {
			reached, gone := make(chan bool, 1), make(chan string, 1)
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				c.serve(p)
				reached <- true
				gone <- p.rest()
			}))
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			ended := make(chan error, 1)
			go func() {
				r, err := p.Send(askIn(ctx, flow.Reverse, "GET", "http://shop.localhost/"))
				if err == nil {
					_, err = io.ReadAll(r.Body)
					_ = r.Body.Close()
				}
				ended <- err
			}()
			within(t, reached, "the request")
			leave()
			within(t, gone, "the target learns that the client left")
			if err := within(t, ended, "the end of the exchange"); problem.KindOf(err) != problem.ClientLeft {
				t.Errorf("it ended with %v", err)
			}
			if idleCount(p) != 0 {
				t.Error("the connection is kept")
			}
		})
	}
}

func TestAClientThatLeavesWhileItUploads(t *testing.T) {
	arrived, gone := make(chan string, 1), make(chan string, 1)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		gone <- p.chunked(func(chunk string) { arrived <- chunk })
	}))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	body, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := p.Send(withBody(askIn(ctx, flow.Reverse, "POST", "http://shop.localhost/"), body, -1))
		ended <- err
	}()
	if _, err := io.WriteString(write, "abc"); err != nil {
		t.Fatal(err)
	}
	within(t, arrived, "the beginning of the body")
	leave()
	if got := within(t, gone, "the target learns that the client left"); got != "abc(cut)" {
		t.Errorf("the target got %q", got)
	}
	if err := within(t, ended, "the end of the exchange"); problem.KindOf(err) != problem.ClientLeft {
		t.Errorf("it ended with %v", err)
	}
	_ = write.Close()
}

func TestATimeSetByAModuleIsNotTheClientsLeaving(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) { p.rest() }))
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	refused(t, p, askIn(ctx, flow.Reverse, "GET", "http://shop.localhost/"), problem.ReadTimeout)
	given := problem.New(problem.Unavailable, "the breaker is open")
	because, why := context.WithCancelCause(t.Context())
	why(given)
	if _, err := p.Send(askIn(because, flow.Reverse, "GET", "http://shop.localhost/")); err != error(given) {
		t.Errorf("the cause of the end became %v", err)
	}
}

func TestAResponseThatIsCutShortSaysSo(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		p := openTo(t, "http://"+serve(t, func(p *peer) {
			p.head()
			p.say("%s", text)
		}))
		r := send(t, p, ask(t, "GET", "/"))
		body, err := io.ReadAll(r.Body)
		if string(body) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) || problem.KindOf(err) != problem.Terminated {
			t.Errorf("%q reads as %q, %v", text, body, err)
		}
		if _, again := r.Body.Read(make([]byte, 1)); again != err {
			t.Errorf("read again it says %v", again)
		}
		_ = r.Body.Close()
		if idleCount(p) != 0 {
			t.Errorf("%q: the connection is kept", text)
		}
	}
}

func TestABodyThatIsNotReadToItsEndClosesTheConnection(t *testing.T) {
	gone := make(chan string, 1)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		gone <- p.rest()
	}))
	r := send(t, p, ask(t, "GET", "/"))
	if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
	within(t, gone, "the end of the connection")
	if _, err := r.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("a closed body reads as %v", err)
	}
}

func TestABodyThatWasReadByItsLengthGivesTheConnectionBack(t *testing.T) {
	p := openTo(t, "http://"+serve(t, answering))
	r := send(t, p, ask(t, "GET", "/"))
	if _, err := io.CopyN(io.Discard, r.Body, r.ContentLength); err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if idleCount(p) != 1 {
		t.Error("the connection is not kept")
	}
}

func TestConnectionsThatCannotBeUsedAgain(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
		"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
	} {
		p := openTo(t, "http://"+serve(t, func(p *peer) {
			p.head()
			p.say("%s", text)
			p.rest()
		}))
		for range 2 {
			x := ask(t, "GET", "/")
			if body := read(t, send(t, p, x)); body != "ok" || x.TargetConn.Reused {
				t.Errorf("%q: answered %q, reused %v", text, body, x.TargetConn.Reused)
			}
		}
	}
}

func TestABodyThatEndsWithTheConnection(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\n\r\nall of it")
	}))
	r := send(t, p, ask(t, "GET", "/"))
	if body := read(t, r); body != "all of it" || r.ContentLength != -1 {
		t.Errorf("answered %q of length %d", body, r.ContentLength)
	}
}

// closesUnasked answers the first request of its first connection, reads a second one and closes
// without a word; later connections answer.
func closesUnasked(p *peer) {
	if p.n > 1 {
		answering(p)
		return
	}
	p.head()
	p.ok("first")
	p.head()
}

func TestAnIdleConnectionThatTurnsOutToBeClosed(t *testing.T) {
	cases := []struct {
		method, body string
		repeated     bool
	}{
		{"GET", "", true}, {"DELETE", "", true}, {"PUT", "small", true}, {"POST", "", false}, {"POST", "small", false},
	}
	for _, c := range cases {
		t.Run(c.method+" "+c.body, func(t *testing.T) {
			p := openTo(t, "http://"+serve(t, closesUnasked))
			if body := get(t, p, "/"); body != "first" {
				t.Fatalf("answered %q", body)
			}
			x := ask(t, c.method, "/again")
			if c.body != "" {
				withBody(x, strings.NewReader(c.body), int64(len(c.body)))
			}
			if !c.repeated {
				refused(t, p, x, problem.Terminated)
				return
			}
			if body := read(t, send(t, p, x)); !strings.HasPrefix(body, c.method+" /again ") {
				t.Errorf("the repetition is %q", body)
			}
			if x.TargetConn.Reused || fact(x, "again") == "" || fact(x, "connection") != "new" {
				t.Errorf("the repetition is told as %+v, %v", x.TargetConn, x.Trail)
			}
		})
	}
}

func TestANewConnectionIsNotRepeated(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		if p.n > 1 {
			p.t.Error("it was sent twice")
		}
		p.head()
	}))
	refused(t, p, ask(t, "GET", "/"), problem.Terminated)
}

func TestAResponseThatHasBegunIsNotRepeated(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		if p.n > 1 {
			p.t.Error("it was sent twice")
		}
		p.head()
		p.ok("first")
		p.head()
		p.say("HTTP/1.1 200 ")
	}))
	_ = get(t, p, "/")
	refused(t, p, ask(t, "GET", "/"), problem.Terminated)
}

func TestAnIdleConnectionOnWhichSomethingHappenedIsNotUsed(t *testing.T) {
	for name, happens := range map[string]func(p *peer){
		"it was closed":              func(p *peer) { _ = p.Close() },
		"an answer nobody asked for": func(p *peer) { p.ok("poison"); p.rest() },
	} {
		t.Run(name, func(t *testing.T) {
			now := make(chan bool)
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				if p.n > 1 {
					answering(p)
					return
				}
				p.head()
				p.ok("first")
				<-now
				happens(p)
			}))
			_ = get(t, p, "/")
			close(now)
			unquiet(t, p)
			x := withBody(ask(t, "POST", "/second"), strings.NewReader("x"), 1)
			if body := read(t, send(t, p, x)); !strings.HasPrefix(body, "POST /second ") || x.TargetConn.Reused {
				t.Errorf("answered %q, reused %v", body, x.TargetConn.Reused)
			}
		})
	}
}

func TestCloseEndsWhatIsIdleAndNothingElse(t *testing.T) {
	gone, more := make(chan int, 2), make(chan bool)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		if p.n == 1 {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
			<-more
			p.say("rest")
		} else {
			p.ok("")
		}
		p.rest()
		gone <- p.n
	}))
	running := send(t, p, ask(t, "GET", "/"))
	_ = get(t, p, "/")
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n := within(t, gone, "the idle connection ends"); n != 2 {
		t.Errorf("connection %d was closed", n)
	}
	close(more)
	if body := read(t, running); body != "halfrest" {
		t.Errorf("the running exchange reads %q", body)
	}
	within(t, gone, "the connection of the running exchange ends with it")
}

func TestATunnelCarriesBytesBothWays(t *testing.T) {
	address := serve(t, func(p *peer) { p.say("%s", strings.ToUpper(p.rest())) })
	p := openForward(t, nil, Options{})
	x := flow.NewExchange(t.Context(), flow.Tunnel, &flow.Request{Method: "CONNECT", Authority: address, Proto: "HTTP/1.1", Body: flow.NoBody})
	r := send(t, p, x)
	if r.Status != 200 || r.Upgraded == nil || x.Target != address || x.Upstream != "" || x.Timing.ConnectDone == 0 {
		t.Fatalf("answered %+v, sent to %q", r, x.Target)
	}
	if _, err := io.WriteString(r.Upgraded, "raw bytes"); err != nil {
		t.Fatal(err)
	}
	half, _ := r.Upgraded.(interface{ CloseWrite() error })
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r.Upgraded); string(got) != "RAW BYTES" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	_ = r.Upgraded.Close()
}

func TestAForwardExchangeGoesWhereItsClientSaid(t *testing.T) {
	first, second := serve(t, answering), serve(t, answering)
	p := openForward(t, nil, Options{})
	for _, address := range []string{first, second, first} {
		x := askIn(t.Context(), flow.Forward, "GET", "http://"+address+"/there")
		if body := read(t, send(t, p, x)); !strings.HasPrefix(body, "GET /there HTTP/1.1\r\nHost: "+address+"\r\n") {
			t.Errorf("sent %q", body)
		}
		if x.Target != address || x.Upstream != "" {
			t.Errorf("sent to %q of %q", x.Target, x.Upstream)
		}
	}
	if n := idleCount(p); n != 2 {
		t.Errorf("%d connections are kept, want one to each", n)
	}
}

func TestLocalhostIsBothFamilies(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		address := serveOn(t, listen, answering)
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"localhost", "shop.localhost", "LOCALHOST"} {
			x := ask(t, "GET", "/")
			_ = read(t, send(t, openTo(t, "http://"+name+":"+port), x))
			if x.TargetConn.Remote != address || x.Target != strings.ToLower(name)+":"+port {
				t.Errorf("%s went to %s as %q", name, x.TargetConn.Remote, x.Target)
			}
		}
	}
}
