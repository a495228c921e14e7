package record

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
	"proxycache/backend/store"
)

func TestAnExchangeIsKeptWhole(t *testing.T) {
	h := openHouse(t, settings(), flow.HandlerFunc(func(x *flow.Exchange) *flow.Response {
		if got, err := io.ReadAll(x.Request.Body); string(got) != "question" || err != nil {
			t.Errorf("the pipeline reads %q, %v", got, err)
		}
		x.Request.Header.Set("X-Added", "by a module")
		x.Request.Method = "PUT"
		x.Route, x.Upstream, x.Target, x.Mocked = "shop", "pool", "127.0.0.1:3000", true
		x.Enter("shop/headers", "headers")
		x.Verdict(flow.Changed)
		x.Note("set", "X-Added")
		x.TargetConn = flow.Conn{Remote: "127.0.0.1:3000", Reused: true}
		x.Timing.FirstByte = time.Millisecond
		r := flow.NewResponse(201, "application/json", []byte("answer"))
		r.Header.Add("Content-Encoding", "identity")
		r.Trailer = func() flow.Header { return flow.Header{{Name: "grpc-status", Value: "0"}} }
		return r
	}))
	x := request(strings.NewReader("question"))
	x.Client, x.ReplayOf = netip.MustParseAddrPort("127.0.0.1:5000"), 9
	x.ClientConn = flow.Conn{Remote: "127.0.0.1:5000"}
	got, err := serve(h, x)
	if string(got) != "answer" || err != nil {
		t.Errorf("the client gets %q, %v", got, err)
	}
	r := h.kept(1)
	if r.ID != x.ID || r.Started.UnixNano() != x.Started.UnixNano() || r.Door != flow.Reverse || r.Client != "127.0.0.1:5000" || r.ReplayOf != 9 {
		t.Errorf("identity: %+v", r)
	}
	if r.Method != "POST" || r.Target != "/v1/items?x=1" || string(r.RequestHead) != requestText || string(h.body(r.RequestBody)) != "question" {
		t.Errorf("the request is not as the client sent it: %s %s %q", r.Method, r.Target, r.RequestHead)
	}
	if r.Status != 201 || r.ResponseProto != "HTTP/1.1" || string(h.body(r.ResponseBody)) != "answer" ||
		string(r.ResponseHead) != "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Encoding: identity\r\n\r\n" {
		t.Errorf("the response: %d %q", r.Status, r.ResponseHead)
	}
	if r.RequestBody.Type != "text/plain" || r.ResponseBody.Type != "application/json" || r.ResponseBody.Encoding != "identity" {
		t.Errorf("the types: %+v %+v", r.RequestBody, r.ResponseBody)
	}
	if r.Route != "shop" || r.Upstream != "pool" || r.SentTo != "127.0.0.1:3000" || !r.Mocked || r.State != flow.Done || r.Problem != nil {
		t.Errorf("what came of it: %+v", r)
	}
	if len(r.Trail) != 1 || r.Trail[0].Facts[0] != (flow.Fact{Name: "set", Value: "X-Added"}) || r.Timing != x.Timing || !r.TargetConn.Reused {
		t.Errorf("the way: %+v %+v", r.Trail, r.Timing)
	}
	if len(r.ResponseTrailer) != 1 || r.ResponseTrailer[0].Name != "grpc-status" {
		t.Errorf("the trailer: %v", r.ResponseTrailer)
	}
}

// asking is a request body whose trailer is known at its end.
type asking struct {
	text string
	x    *flow.Exchange
}

func (a *asking) Read(p []byte) (int, error) {
	if a.text == "" {
		a.x.Request.Trailer = flow.Header{{Name: "X-Sum", Value: "1"}}
		return 0, io.EOF
	}
	n := copy(p, a.text)
	a.text = a.text[n:]
	return n, nil
}

func TestTheRequestsTrailerIsKept(t *testing.T) {
	h := openHouse(t, settings(), saying("ok"))
	body := &asking{text: "question"}
	x := request(body)
	body.x = x
	if _, err := serve(h, x); err != nil {
		t.Fatal(err)
	}
	if r := h.kept(1); len(r.RequestTrailer) != 1 || r.RequestTrailer[0].Name != "X-Sum" {
		t.Errorf("the trailer: %v", r.RequestTrailer)
	}
}

func TestBodiesAreKeptUpToTheCapAndPassedOnWhole(t *testing.T) {
	const chunk = store.ChunkSize
	for _, size := range []int{0, 1, 1000, chunk - 1, chunk, chunk + 1, 3 * chunk, 10*chunk + 77} {
		for _, limit := range []int{0, 1, 1000, chunk, 2*chunk + 5, 64 * chunk} {
			s := settings()
			s.BodyCap = schema.Size(limit)
			data := pattern(size)
			h := openHouse(t, s, answering(func() io.Reader { return bytes.NewReader(data) }))
			got, err := serve(h, request(bytes.NewReader(data)))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("size %d, cap %d: the client gets %d bytes, %v", size, limit, len(got), err)
			}
			r := h.kept(1)
			want := data[:min(size, limit)]
			for side, b := range map[string]flow.Stored{"request": r.RequestBody, "response": r.ResponseBody} {
				if b.Size != int64(size) || b.Kept != int64(len(want)) || !bytes.Equal(h.body(b), want) {
					t.Errorf("size %d, cap %d: of the %s %+v is kept", size, limit, side, b)
				}
			}
			h.close()
		}
	}
}

func TestHowAnExchangeEnds(t *testing.T) {
	left := problem.New(problem.ClientLeft, "gone")
	refused := problem.New(problem.Refused, "refused")
	for name, c := range map[string]struct {
		run     func(x *flow.Exchange, r *flow.Response) // what comes of the answer
		answer  func(r *flow.Response)
		method  string
		state   flow.State
		problem problem.Kind
	}{
		"read to its end":         {state: flow.Done, run: readAll},
		"read up to its length":   {state: flow.Done, run: func(_ *flow.Exchange, r *flow.Response) { _, _ = io.ReadFull(r.Body, make([]byte, 6)) }},
		"the client left":         {state: flow.Aborted, problem: problem.ClientLeft, run: func(x *flow.Exchange, _ *flow.Response) { x.Problem = left }},
		"given up in the middle":  {state: flow.Aborted, run: func(_ *flow.Exchange, r *flow.Response) { _, _ = r.Body.Read(make([]byte, 2)) }},
		"cut on purpose":          {state: flow.Aborted, answer: func(r *flow.Response) { r.Cut, r.Body, r.Status = true, flow.NoBody, 0 }, run: func(*flow.Exchange, *flow.Response) {}},
		"an error of the proxy":   {state: flow.Errored, problem: problem.Refused, run: func(x *flow.Exchange, r *flow.Response) { x.Problem = refused; readAll(x, r) }},
		"broken off":              {state: flow.Errored, problem: problem.Terminated, answer: func(r *flow.Response) { r.Body = io.NopCloser(broken{}) }, run: readAll},
		"broken off, client left": {state: flow.Aborted, answer: func(r *flow.Response) { r.Body = io.NopCloser(broken{}) }, run: leaveAndRead},
		"HEAD":                    {state: flow.Done, method: "HEAD", run: func(*flow.Exchange, *flow.Response) {}},
		"not modified":            {state: flow.Done, answer: func(r *flow.Response) { r.Status = 304 }, run: func(*flow.Exchange, *flow.Response) {}},
		"no body":                 {state: flow.Done, answer: func(r *flow.Response) { r.Body, r.ContentLength = flow.NoBody, 0 }, run: func(*flow.Exchange, *flow.Response) {}},
	} {
		t.Run(name, func(t *testing.T) {
			h := openHouse(t, settings(), flow.HandlerFunc(func(*flow.Exchange) *flow.Response {
				r := flow.NewResponse(200, "text/plain", []byte("answer"))
				if c.answer != nil {
					c.answer(r)
				}
				return r
			}))
			x := request(nil)
			if c.method != "" {
				x.Request.Method = c.method
			}
			response := h.Handle(x)
			c.run(x, response)
			end(x, response)
			r := h.kept(1)
			kind := problem.Kind("")
			if r.Problem != nil {
				kind = r.Problem.Kind
			}
			if r.State != c.state || kind != c.problem {
				t.Errorf("kept as %s with %q, want %s with %q", r.State, kind, c.state, c.problem)
			}
		})
	}
}

func readAll(_ *flow.Exchange, r *flow.Response) { _, _ = io.Copy(io.Discard, r.Body) }

func leaveAndRead(x *flow.Exchange, r *flow.Response) {
	ctx, leave := context.WithCancel(context.Background())
	leave()
	x.WithContext(ctx)
	readAll(x, r)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAPipelineThatPanicsIsRecorded(t *testing.T) {
	h := openHouse(t, settings(), flow.HandlerFunc(func(*flow.Exchange) *flow.Response { panic("a fault") }))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		h.Handle(request(nil))
	}()
	if r := h.kept(1); r.State != flow.Errored || r.Problem == nil || r.Problem.Kind != problem.Internal || r.Status != 0 {
		t.Errorf("kept as %s, %v", r.State, r.Problem)
	}
}

func TestTheHeadOfAnAnswerIsKeptAsTheClientWasSentIt(t *testing.T) {
	const sent = "HTTP/1.1 201 Fine\r\nServer:  us\r\nDate: now\r\n\r\n"
	left := flow.HandlerFunc(func(*flow.Exchange) *flow.Response {
		r := flow.NewResponse(201, "", nil)
		r.Proto, r.Header = "HTTP/1.0", flow.Header{{Name: "Server", Value: "us"}}
		return r
	})
	for name, c := range map[string]struct {
		begins      func(r *flow.Response)
		head, proto string
	}{
		"sent":                {func(r *flow.Response) { r.Begins("HTTP/1.1", []byte(sent)) }, sent, "HTTP/1.1"},
		"sent over HTTP/2":    {func(r *flow.Response) { r.Begins("HTTP/2.0", []byte(sent)) }, sent, "HTTP/2.0"},
		"to nobody, a replay": {func(*flow.Response) {}, "HTTP/1.0 201 Created\r\nServer: us\r\n\r\n", "HTTP/1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			h := openHouse(t, settings(), left)
			x := request(nil)
			r := h.Handle(x)
			c.begins(r)
			live, ok := h.Lookup(1)
			if !ok || string(live.ResponseHead) != c.head || live.ResponseProto != c.proto || live.Status != 201 {
				t.Errorf("while it runs: %q over %s", live.ResponseHead, live.ResponseProto)
			}
			end(x, r)
			if kept := h.kept(1); string(kept.ResponseHead) != c.head || kept.ResponseProto != c.proto {
				t.Errorf("kept %q over %s", kept.ResponseHead, kept.ResponseProto)
			}
		})
	}
}

// What is answered when the recorder has closed is nothing of its records: its memory serves others soon.
func TestAnAnswerBehindTheEndLeavesTheRecordAlone(t *testing.T) {
	h := openHouse(t, settings(), saying("late"))
	x := request(nil)
	w := h.begin(x)
	w.abort()
	r := flow.NewResponse(200, "", nil)
	w.answer(r)
	r.Begins("HTTP/1.1", []byte("HTTP/1.1 200 OK\r\n\r\n"))
	r.Status = 777
	h.mu.Lock()
	head := w.responseHead()
	h.mu.Unlock()
	if head != nil {
		t.Errorf("its head is %q", head)
	}
	end(x, r)
}

func TestWhatWasTurnedAwayIsKept(t *testing.T) {
	h := openHouse(t, settings(), saying("never asked"))
	turn := func() {
		x := request(nil)
		x.Problem = problem.New(problem.BadRequest, "no request")
		sent := flow.NewResponse(400, "text/plain", []byte("no"))
		sent.RawHead = []byte("HTTP/1.1 400 Bad Request\r\nDate: now\r\n\r\n")
		h.TurnedAway(x, sent)
	}
	turn()
	h.SetRecording(false)
	turn()
	r := h.kept(1)
	if r.Status != 400 || r.State != flow.Errored || r.Problem == nil || string(r.ResponseHead) != "HTTP/1.1 400 Bad Request\r\nDate: now\r\n\r\n" || string(h.body(r.ResponseBody)) != "no" || string(r.RequestHead) != requestText {
		t.Errorf("kept as %+v", r)
	}
	if n := h.store.Total(); n != 1 {
		t.Errorf("%d are kept: one while nothing is recorded", n)
	}
	turn() // after Close: it is lost
}

func TestTheHeadOfARequestIsKeptAsItCame(t *testing.T) {
	for name, c := range map[string]struct {
		request flow.Request
		want    string
	}{
		"HTTP/1": {flow.Request{Method: "GET", RawHead: []byte("get it raw")}, "get it raw"},
		"HTTP/2": {flow.Request{Method: "GET", Target: "/a?b", Authority: "h:1", Proto: "HTTP/2.0", Header: flow.Header{{Name: "accept", Value: "*/*"}}}, "GET /a?b HTTP/1.1\r\nHost: h:1\r\naccept: */*\r\n\r\n"},
		"tunnel": {flow.Request{Method: "CONNECT", Authority: "h:443", Proto: "HTTP/1.1", Header: flow.Header{{Name: "Host", Value: "h:443"}}}, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"},
	} {
		if got := string(requestHead(&c.request)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// wire is one side of an upgraded connection.
type wire struct {
	io.Reader
	io.Writer
	half, closed bool
}

func (w *wire) CloseWrite() error { w.half = true; return nil }

func (w *wire) Close() error { w.closed = true; return nil }

func TestAnUpgradedConnectionIsCountedBothWays(t *testing.T) {
	var sent bytes.Buffer
	c := &wire{Reader: strings.NewReader("from the target"), Writer: &sent}
	h := openHouse(t, settings(), flow.HandlerFunc(func(*flow.Exchange) *flow.Response {
		return &flow.Response{Status: 101, Proto: "HTTP/1.1", Body: flow.NoBody, Upgraded: c}
	}))
	x := request(nil)
	response := h.Handle(x)
	if response.Body != flow.NoBody {
		t.Error("the body of an upgrade is another one")
	}
	_, _ = io.WriteString(response.Upgraded, "to it")
	if err := response.Upgraded.(halfCloser).CloseWrite(); err != nil || !c.half {
		t.Errorf("a direction cannot end alone: %v", err)
	}
	_, _ = io.Copy(io.Discard, response.Upgraded)
	if row := h.Live()[0]; row.RequestSize != 5 || row.ResponseSize != 15 || row.Status != 101 || row.Micros != -1 {
		t.Errorf("while it is open: %+v", row)
	}
	_ = response.Body.Close()
	if n := h.LiveCount(); n != 1 {
		t.Error("it ended with its empty body")
	}
	x.Timing.Done = x.Since()
	_ = response.Upgraded.Close()
	_ = response.Upgraded.Close()
	r := h.kept(1)
	if !c.closed || sent.String() != "to it" || r.State != flow.Done || r.RequestBody.Size != 5 || r.ResponseBody.Size != 15 || r.ResponseBody.Kept != 0 {
		t.Errorf("kept as %s, %+v, %+v", r.State, r.RequestBody, r.ResponseBody)
	}
	plain := struct{ io.ReadWriteCloser }{c}
	if _, half := watchUpgraded(newWatch(h.Recorder, request(nil)), plain).(halfCloser); half {
		t.Error("a connection without half-closing seems to have it")
	}
}

// zeros is a body of n zeros; math.MaxInt64 never end.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	n := min(int64(len(p)), z.left)
	if z.left -= n; n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	return int(n), nil
}

func TestAGibibytePassesInLittleMemory(t *testing.T) {
	const size = 1 << 30
	s := settings()
	s.BodyCap = 256 << 20
	h := openHouse(t, s, answering(func() io.Reader { return &zeros{size} }))
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	x := request(nil)
	response := h.Handle(x)
	buffer := make([]byte, 256<<10)
	var most, passed uint64
	for at := 0; ; at++ {
		n, err := response.Body.Read(buffer)
		passed += uint64(n)
		if at%256 == 0 {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		if err != nil {
			break
		}
	}
	end(x, response)
	if extra := int64(most) - int64(before.HeapAlloc); extra > 64<<20 {
		t.Errorf("%d MiB more of heap", extra>>20)
	}
	if r := h.kept(1); passed != size || r.ResponseBody.Size != size || r.ResponseBody.Kept != 256<<20 {
		t.Errorf("%d bytes passed, kept as %+v", passed, r.ResponseBody)
	}
}

func TestABodyThatNeverEndsIsBoundedByTheCap(t *testing.T) {
	s := settings()
	s.BodyCap = 1 << 20
	h := openHouse(t, s, answering(func() io.Reader { return &zeros{math.MaxInt64} }))
	x := request(nil)
	response := h.Handle(x)
	if _, err := io.CopyN(io.Discard, response.Body, 50<<20); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store has the part up to the cap and no more waits", func() bool {
		h.Recorder.mu.Lock()
		defer h.Recorder.mu.Unlock()
		return h.queue.bytes == 0
	})
	if row := h.Live()[0]; row.ResponseSize != 50<<20 || row.State != flow.Pending {
		t.Errorf("while it runs: %+v", row)
	}
	x.Problem = problem.New(problem.ClientLeft, "gone")
	end(x, response)
	if r := h.kept(1); r.State != flow.Aborted || r.ResponseBody.Kept != 1<<20 || len(h.body(r.ResponseBody)) != 1<<20 {
		t.Errorf("kept as %s, %+v", r.State, r.ResponseBody)
	}
}
