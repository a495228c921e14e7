package ingress

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestTheFormOfTheTargetDecidesDoorAndPlace(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	for _, c := range []struct{ head, door, url, target string }{
		{"GET /v1?x=1 HTTP/1.1\r\nHost: Shop.test:81", "reverse", "http://Shop.test:81/v1?x=1", "/v1?x=1"},
		{"GET //twice HTTP/1.1\r\nHost: shop.test", "reverse", "http://shop.test//twice", "//twice"},
		{"GET /?u=http://a/ HTTP/1.1\r\nHost: shop.test", "reverse", "http://shop.test/?u=http://a/", "/?u=http://a/"},
		{"OPTIONS * HTTP/1.1\r\nHost: shop.test", "reverse", "http://shop.test*", "*"},
		{"GET http://shop.test/a HTTP/1.1\r\nHost: other.test", "forward", "http://shop.test/a", "/a"},
		{"GET HTTP://shop.test HTTP/1.1\r\nHost: shop.test", "forward", "http://shop.test/", "/"},
		{"GET http://shop.test:8000?q HTTP/1.1\r\nHost: shop.test", "forward", "http://shop.test:8000/?q", "/?q"},
		{"OPTIONS http://shop.test HTTP/1.1\r\nHost: shop.test", "forward", "http://shop.test*", "*"},
		{"GET https://[::1]:8443/s HTTP/1.1\r\nHost: x", "forward", "https://[::1]:8443/s", "/s"},
		{"GET /old HTTP/1.0", "reverse", "http://" + h.address() + "/old", "/old"},
	} {
		t.Run(c.head, func(t *testing.T) {
			talk := h.dial()
			talk.say(c.head + "\r\nX-Odd-CASE: kept\r\nx-odd-case: twice\r\n\r\n")
			talk.answer("GET")
			x := receive(t, seen, "the exchange")
			if string(x.Door) != c.door || x.Request.URL() != c.url || x.Request.Target != c.target {
				t.Errorf("%s %s, target %q", x.Door, x.Request.URL(), x.Request.Target)
			}
			if got := x.Request.Header.Values("X-Odd-Case"); len(got) != 2 || x.Request.Header[len(x.Request.Header)-2].Name != "X-Odd-CASE" {
				t.Errorf("the fields are %v", x.Request.Header)
			}
			if !strings.HasPrefix(string(x.Request.RawHead), c.head) || !strings.HasSuffix(string(x.Request.RawHead), "\r\n\r\n") {
				t.Errorf("the raw head is %q", x.Request.RawHead)
			}
			if x.Client.String() != talk.LocalAddr().String() || x.ClientConn.Remote != talk.LocalAddr().String() || x.ClientConn.Local != h.address() {
				t.Errorf("client %v, connection %+v", x.Client, x.ClientConn)
			}
		})
	}
}

func TestHowAResponseIsFramed(t *testing.T) {
	var response atomic.Pointer[flow.Response]
	h := open(t, func(*flow.Exchange) *flow.Response { return response.Load() })
	with := func(r *flow.Response, fields ...flow.Field) *flow.Response {
		r.Header = append(fields, r.Header...)
		return r
	}
	stream := func(pieces ...string) *flow.Response { return unknown(strings.NewReader(strings.Join(pieces, ""))) }
	trailing := stream("body")
	trailing.Trailer = func() flow.Header { return flow.Header{{Name: "X-Sum", Value: "1"}, {Name: "x-sum", Value: "2"}} }
	named := text(200, "ok")
	named.Reason = "Fine By Me"
	headOf := flow.NewResponse(200, "", []byte("0123456789"))
	headOf.Header.Add("Date", "today")
	headOf.Body = flow.NoBody
	noneOf := text(204, "")
	noneOf.ContentLength = 5 // as a target may announce it
	for _, c := range []struct {
		name, request string
		response      *flow.Response
		want          string
	}{
		{"a length", get, text(200, "ok"), okAnswer},
		{"an empty body", get, text(200, ""), "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 0\r\n\r\n"},
		{"a phrase of its own", get, named, "HTTP/1.1 200 Fine By Me\r\nDate: today\r\nContent-Length: 2\r\n\r\nok"},
		{"an unknown length", get, stream("ok"), "HTTP/1.1 200 OK\r\nDate: today\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{"a trailer", get, trailing, "HTTP/1.1 200 OK\r\nDate: today\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n"},
		{"an unknown length in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", stream("ok"), "HTTP/1.1 200 OK\r\nDate: today\r\nConnection: close\r\n\r\nok"},
		{"HTTP/1.0 that keeps the connection", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", text(200, "ok"),
			"HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"},
		{"HTTP/1.0 that would keep the connection to a proxy", "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", text(200, "ok"),
			"HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"},
		{"a client that closes", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", text(200, "ok"),
			"HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"},
		{"HEAD keeps the length", strings.Replace(get, "GET", "HEAD", 1), with(text(200, ""), flow.Field{Name: "content-length", Value: "99"}),
			"HTTP/1.1 200 OK\r\ncontent-length: 99\r\nDate: today\r\n\r\n"},
		{"HEAD of an answer made here", strings.Replace(get, "GET", "HEAD", 1), headOf, "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 10\r\n\r\n"},
		{"204", get, with(text(204, ""), flow.Field{Name: "Content-Length", Value: "0"}), "HTTP/1.1 204 No Content\r\nDate: today\r\n\r\n"},
		{"HEAD of 204", strings.Replace(get, "GET", "HEAD", 1), with(noneOf, flow.Field{Name: "Content-Length", Value: "5"}), "HTTP/1.1 204 No Content\r\nDate: today\r\n\r\n"},
		{"304 keeps the length", get, with(text(304, ""), flow.Field{Name: "Content-Length", Value: "7"}), "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nDate: today\r\n\r\n"},
		{"a wrong length is put right, once", get, with(text(200, "ok"), flow.Field{Name: "Content-Length", Value: "7"}, flow.Field{Name: "Content-Length", Value: "2"}),
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: today\r\n\r\nok"},
		{"fields of the connection are ours", get, with(text(200, "ok"), flow.Field{Name: "Connection", Value: "close"},
			flow.Field{Name: "Keep-Alive", Value: "timeout=5"}, flow.Field{Name: "Transfer-Encoding", Value: "gzip"}, flow.Field{Name: "Upgrade", Value: "h2c"},
			flow.Field{Name: "SERVER", Value: "mine"}), "HTTP/1.1 200 OK\r\nSERVER: mine\r\nDate: today\r\nContent-Length: 2\r\n\r\nok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told hearer
			c.response.Watcher = &told
			response.Store(c.response)
			talk := h.dial()
			talk.say(c.request)
			talk.hear(c.want)
			if head, _, _ := strings.Cut(c.want, "\r\n\r\n"); told.head() != "HTTP/1.1 "+head+"\r\n\r\n" {
				t.Errorf("who watches is told %q", told.head())
			}
			if strings.Contains(c.want, "Connection: close") {
				talk.hearEnd()
				return
			}
			response.Store(text(200, "ok")) // what is in between ended where it should
			talk.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			talk.hear(okAnswer)
		})
	}
}

func TestAMissingDateIsAdded(t *testing.T) {
	h := open(t, func(*flow.Exchange) *flow.Response { return flow.NewResponse(200, "", nil) })
	talk := h.dial()
	talk.say(get)
	r, _ := talk.answer("GET")
	if at, err := http.ParseTime(r.Header.Get("Date")); err != nil || time.Since(at) > time.Minute {
		t.Errorf("Date is %q", r.Header.Get("Date"))
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	var reused []bool // one connection: its requests come one after another
	h := open(t, func(x *flow.Exchange) *flow.Response {
		reused = append(reused, x.ClientConn.Reused)
		body, err := io.ReadAll(x.Request.Body)
		if err != nil {
			t.Error(err)
		}
		return text(200, x.Request.Target+string(body))
	})
	talk := h.dial()
	var all strings.Builder
	for i := range 50 {
		fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n%03d", i, i)
	}
	talk.say(all.String())
	for i := range 50 {
		if _, body := talk.answer("POST"); body != fmt.Sprintf("/%d%03d", i, i) {
			t.Fatalf("answer %d is %q", i, body)
		}
	}
	if len(reused) != 50 || reused[0] || !reused[1] || !reused[49] {
		t.Errorf("reused: %v", reused)
	}
}

// A request that comes while the one before is worked on is read by the watch, and must not be lost.
func TestARequestSentEarlyIsNotLost(t *testing.T) {
	entered, on := make(chan bool), make(chan bool)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		entered <- true
		<-on
		return text(200, x.Request.Target)
	})
	talk := h.dial()
	talk.say("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, entered, "the first request")
	talk.say("GET /second HTTP/1.1\r\nHo")
	in := &h.served(talk).in
	eventually(t, "the watch reads what came", func() bool {
		in.watch.mu.Lock()
		defer in.watch.mu.Unlock()
		return len(in.ahead) > 0
	})
	on <- true
	talk.say("st: a\r\n\r\n")
	receive(t, entered, "the second request")
	on <- true
	for _, want := range []string{"/first", "/second"} {
		if _, body := talk.answer("GET"); body != want {
			t.Errorf("heard %q, want %q", body, want)
		}
	}
}

func TestAChunkedRequestWithATrailer(t *testing.T) {
	type got struct {
		body    string
		length  int64
		trailer flow.Header
	}
	seen := make(chan got, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		body, err := io.ReadAll(x.Request.Body)
		if err != nil {
			t.Error(err)
		}
		seen <- got{string(body), x.Request.ContentLength, x.Request.Trailer}
		return ok(x)
	})
	talk := h.dial()
	talk.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n")
	talk.hear(okAnswer)
	if g := receive(t, seen, "the body"); g.body != "abcde" || g.length != -1 || g.trailer.Get("x-sum") != "9" {
		t.Errorf("got %+v", g)
	}
	talk.say(get)
	talk.hear(okAnswer)
}

func TestABrokenRequestBodyIsAProblem(t *testing.T) {
	faults := make(chan error, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		_, err := io.ReadAll(x.Request.Body)
		faults <- err
		return ok(x)
	})
	talk := h.dial()
	talk.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	if err := receive(t, faults, "the fault"); problem.KindOf(err) != problem.BadRequest {
		t.Errorf("malformed chunks give %v", err)
	}
	talk.answer("POST")
	talk.hearEnd()

	talk = h.dial()
	talk.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
	_ = talk.Close()
	if err := receive(t, faults, "the fault"); problem.KindOf(err) != problem.ClientLeft {
		t.Errorf("a client that leaves gives %v", err)
	}
}

func TestContinueIsSentWhenTheBodyIsRead(t *testing.T) {
	read := make(chan bool)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if !x.Request.ExpectContinue {
			t.Error("it does not say that the client waits")
		}
		if <-read {
			if body, err := io.ReadAll(x.Request.Body); err != nil || string(body) != "hello" {
				t.Errorf("the body is %q, %v", body, err)
			}
		}
		return ok(x)
	})
	const head = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	talk := h.dial()
	talk.say(head)
	read <- true
	talk.hear("HTTP/1.1 100 Continue\r\n\r\n")
	talk.say("hello")
	talk.hear(okAnswer)

	talk.say(head) // the same connection goes on
	read <- false
	talk.hear("HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	talk.hearEnd()
}

func TestInterimAnswersArePassedOnAtOnce(t *testing.T) {
	on := make(chan bool)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		x.Interim(103, flow.Header{{Name: "link", Value: "</a.css>"}, {Name: "Connection", Value: "close"}})
		x.Interim(100, nil) // nobody waits for it
		x.Interim(101, nil)
		<-on
		return ok(x)
	})
	talk := h.dial()
	talk.say(get)
	talk.hear("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n")
	on <- true
	talk.hear(okAnswer)

	talk = h.dial()
	talk.say("GET / HTTP/1.0\r\n\r\n") // knows no interim answers
	on <- true
	talk.hear("HTTP/1.1 200 OK\r\n")
}

func TestALateInterimAnswerIsDropped(t *testing.T) {
	var late func(int, flow.Header)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if late != nil {
			late(103, nil)
		}
		late = x.Interim
		x.Context().Done() // who works on beyond the end of an exchange waits for that
		return ok(x)
	})
	talk := h.dial()
	talk.say(get + get)
	talk.hear(okAnswer + okAnswer)
}

func TestAStreamIsHeardWhileItRuns(t *testing.T) {
	r, w := io.Pipe()
	h := open(t, func(*flow.Exchange) *flow.Response { return unknown(r) })
	talk := h.dial()
	talk.say(get)
	talk.hear("HTTP/1.1 200 OK\r\nDate: today\r\nTransfer-Encoding: chunked\r\n\r\n") // before the first event
	for range 3 {
		if _, err := io.WriteString(w, "data: x\n\n"); err != nil {
			t.Fatal(err)
		}
		talk.hear("9\r\ndata: x\n\n\r\n")
	}
	_ = w.Close()
	talk.hear("0\r\n\r\n")
}

func TestALongBodyArrivesWhole(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 64<<10)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		got, err := io.ReadAll(x.Request.Body)
		if err != nil || string(got) != body {
			t.Errorf("the request's body has %d bytes, %v", len(got), err)
		}
		if x.Request.Target == "/chunked" {
			return unknown(strings.NewReader(body))
		}
		return text(200, body)
	})
	for _, target := range []string{"/length", "/chunked"} {
		answer, err := http.Post("http://"+h.address()+target, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || string(got) != body {
			t.Errorf("%s: %d bytes, %v", target, len(got), err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// watched tells what its exchange looks like when it is closed: that is the signal that it is over.
type watched struct {
	io.ReadCloser
	x    *flow.Exchange
	over chan *problem.Problem
}

func (w *watched) Close() error {
	err := w.ReadCloser.Close()
	if w.x.Timing.Done == 0 {
		w.over <- problem.New(problem.Internal, "closed before Timing.Done was set")
		return err
	}
	w.over <- w.x.Problem
	return err
}

func TestAClientThatLeavesEndsTheExchange(t *testing.T) {
	over := make(chan *problem.Problem, 1)
	entered := make(chan bool)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		entered <- true
		r := text(200, "ok")
		switch x.Request.Target {
		case "/waiting":
			<-x.Context().Done()
		case "/streaming":
			pr, pw := io.Pipe()
			go func() {
				<-x.Context().Done()
				_ = pw.CloseWithError(x.Context().Err())
			}()
			r = unknown(pr)
		}
		r.Body = &watched{r.Body, x, over}
		return r
	})
	for _, c := range []struct {
		name, request string
		kind          problem.Kind
	}{
		{"while the handler waits", "GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n", problem.ClientLeft},
		{"behind a body that nobody reads", "POST /waiting HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", problem.ClientLeft},
		{"while a silent stream runs", "GET /streaming HTTP/1.1\r\nHost: a\r\n\r\n", problem.ClientLeft},
		{"not before the answer", "GET /at-once HTTP/1.1\r\nHost: a\r\n\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			talk := h.dial()
			talk.say(c.request)
			receive(t, entered, "the request")
			if c.kind == "" {
				talk.hear(okAnswer)
			}
			_ = talk.Close()
			if p := receive(t, over, "the end of the exchange"); problem.KindOf(errorOf(p)) != c.kind {
				t.Errorf("the problem is %v", p)
			}
		})
	}
}

func errorOf(p *problem.Problem) error {
	if p == nil {
		return nil
	}
	return p
}

func TestAClientThatLeavesAfterItsBody(t *testing.T) {
	over := make(chan *problem.Problem, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if _, err := io.ReadAll(x.Request.Body); err != nil {
			t.Error(err)
		}
		<-x.Context().Done()
		r := text(200, "ok")
		r.Body = &watched{r.Body, x, over}
		return r
	})
	talk := h.dial()
	talk.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
	_ = talk.CloseWrite()
	if p := receive(t, over, "the end of the exchange"); p == nil || p.Kind != problem.ClientLeft {
		t.Errorf("the problem is %v", p)
	}
}

func (c *talk) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

func TestABodyThatNobodyReadDoesNotCostTheConnection(t *testing.T) {
	watched := make(chan string, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		r := &tee{ReadCloser: x.Request.Body, over: watched}
		x.Request.Body = r
		return ok(x)
	})
	talk := h.dial()
	body := strings.Repeat("x", 100<<10)
	talk.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(body)))
	talk.hear(okAnswer) // before the body came
	talk.say(body + get)
	if got := receive(t, watched, "the end of the first request"); got != body {
		t.Errorf("%d bytes passed those who watch", len(got))
	}
	talk.hear(okAnswer)

	talk = h.dial() // too long to read for nothing
	talk.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n" + body)
	talk.hear("HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	talk.hearEnd()
}

type tee struct {
	io.ReadCloser
	seen strings.Builder
	over chan string
}

func (r *tee) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.seen.Write(p[:n])
	return n, err
}

func (r *tee) Close() error {
	select {
	case r.over <- r.seen.String():
	default:
	}
	return r.ReadCloser.Close()
}

// An upload that still runs when the answer is complete ends with it, and its reader is not stuck.
func TestAnAnswerBeforeTheEndOfTheUpload(t *testing.T) {
	read := make(chan error, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		body := x.Request.Body
		begun := make(chan bool)
		go func() {
			first := make([]byte, 3)
			_, err := io.ReadFull(body, first)
			close(begun)
			if err == nil {
				_, err = body.Read(first)
			}
			read <- err
		}()
		<-begun
		return ok(x)
	})
	talk := h.dial()
	talk.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
	talk.hear(okAnswer)
	if err := receive(t, read, "the end of the upload"); err == nil {
		t.Error("the upload's reader was not told")
	}
	talk.say("def" + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef")
	talk.hear(okAnswer)
	receive(t, read, "the end of the second upload")
}

func TestAnUpgradeCarriesBytesBothWaysAndHalfCloses(t *testing.T) {
	near, far := tcpPair(t)
	over := make(chan *problem.Problem, 1)
	var told hearer
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if x.Request.UpgradeTo() != "echo" {
			t.Errorf("it upgrades to %q", x.Request.UpgradeTo())
		}
		r := flow.NewResponse(101, "", nil)
		r.Header = flow.Header{{Name: "upgrade", Value: "echo"}, {Name: "connection", Value: "upgrade, close"}, {Name: "X-Kept", Value: "1"}}
		r.Upgraded, r.Watcher = near, &told
		r.Body = &watched{r.Body, x, over}
		return r
	})
	talk := h.dial()
	talk.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly")
	const head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: Upgrade\r\nX-Kept: 1\r\n\r\n"
	talk.hear(head)
	if told.head() != "HTTP/1.1 "+head {
		t.Errorf("who watches is told %q", told.head())
	}
	target := newTalk(t, far)
	target.hear("early")
	target.say("hello")
	talk.hear("hello")
	_ = talk.CloseWrite()
	target.hearEnd() // this direction alone is over
	target.say("last words")
	_ = far.Close()
	talk.hear("last words")
	talk.hearEnd()
	if p := receive(t, over, "the end of the exchange"); p != nil {
		t.Errorf("the problem is %v", p)
	}
}

func TestACutClosesWithoutAWord(t *testing.T) {
	over := make(chan *problem.Problem, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		r := text(200, "never seen")
		r.Cut = true
		r.Body = &watched{r.Body, x, over}
		return r
	})
	talk := h.dial()
	talk.say(get)
	talk.hearEnd()
	if p := receive(t, over, "the end of the exchange"); p != nil {
		t.Errorf("the problem is %v", p)
	}
}

type broken struct{ after io.Reader }

var errBroken = errors.New("the server fell over")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.after.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

func TestABrokenAnswerNeverLooksComplete(t *testing.T) {
	over := make(chan *problem.Problem, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		r := unknown(broken{strings.NewReader("half")})
		switch x.Request.Target {
		case "/length":
			r.ContentLength = 10
		case "/short": // its own end comes too early
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("half")), 10
		case "/long":
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("half")), 3
		}
		r.Body = &watched{r.Body, x, over}
		return r
	})
	for _, c := range []struct {
		request string
		want    error
	}{
		{"GET /length HTTP/1.1\r\nHost: a\r\n\r\n", io.ErrUnexpectedEOF},
		{"GET /short HTTP/1.1\r\nHost: a\r\n\r\n", io.ErrUnexpectedEOF},
		{"GET /long HTTP/1.1\r\nHost: a\r\n\r\n", io.ErrUnexpectedEOF},
		{"GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n", io.ErrUnexpectedEOF},
		{"GET /until-close HTTP/1.0\r\n\r\n", syscall.ECONNRESET},
	} {
		t.Run(c.request, func(t *testing.T) {
			talk := h.dial()
			talk.say(c.request)
			r, err := http.ReadResponse(talk.in, nil)
			if err == nil {
				_, err = io.ReadAll(r.Body)
				_ = r.Body.Close()
			}
			if !errors.Is(err, c.want) {
				t.Errorf("the client sees %v, want %v", err, c.want)
			}
			if p := receive(t, over, "the end of the exchange"); p == nil || p.Kind != problem.Terminated {
				t.Errorf("the problem is %v", p)
			}
		})
	}
}

func TestAFaultOfTheHandlerEndsOneConnection(t *testing.T) {
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if x.Request.Target == "/fault" {
			panic("a fault of ours")
		}
		return ok(x)
	})
	talk := h.dial()
	talk.say("GET /fault HTTP/1.1\r\nHost: a\r\n\r\n")
	talk.hearEnd()
	talk = h.dial()
	talk.say(get)
	talk.hear(okAnswer)
}
