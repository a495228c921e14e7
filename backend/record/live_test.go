package record

import (
	"bytes"
	"context"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/schema"
	"proxycache/backend/store"
)

func TestARunningExchangeIsSeen(t *testing.T) {
	in, out := io.Pipe()
	handing := make(chan struct{})
	h := openHouse(t, settings(), flow.HandlerFunc(func(x *flow.Exchange) *flow.Response {
		handing <- struct{}{}
		<-handing
		x.Route = "shop"
		x.Enter("shop/x", "")
		x.Verdict(flow.Failed)
		r := flow.NewResponse(200, "text/event-stream", nil)
		r.Body, r.ContentLength = in, -1
		return r
	}))
	told := func() flow.Row {
		t.Helper()
		rows, more := h.Drain(10)
		if len(rows) != 1 || more {
			t.Fatalf("told %d rows, more %t, want one", len(rows), more)
		}
		return rows[0]
	}
	x := request(nil)
	answered := make(chan *flow.Response)
	go func() { answered <- h.Handle(x) }()
	<-handing
	if row := told(); row.Seq != 1 || row.Status != 0 || row.State != flow.Pending || row.Micros != -1 || row.Target != "/v1/items?x=1" {
		t.Errorf("begun: %+v", row)
	}
	if rows, _ := h.Drain(10); len(rows) != 0 {
		t.Errorf("told twice: %v", rows)
	}
	handing <- struct{}{}
	response := <-answered
	if row := told(); row.Status != 200 || row.Type != "sse" || row.Route != "shop" || row.Cells != "f" || row.State != flow.Pending {
		t.Errorf("answered: %+v", row)
	}
	go func() { _, _ = io.WriteString(out, "data: one\n\n") }()
	if _, err := io.ReadFull(response.Body, make([]byte, 11)); err != nil {
		t.Fatal(err)
	}
	if row := told(); row.ResponseSize != 11 || row != h.Live()[0] {
		t.Errorf("grown: %+v", row)
	}
	if r, ok := h.Lookup(1); !ok || r.Status != 200 || r.ResponseBody.Size != 11 || r.ResponseBody.Kept != 0 || len(r.Trail) != 1 || string(r.RequestHead) != requestText {
		t.Errorf("looked up: %t %+v", ok, r)
	}
	if _, ok := h.Lookup(2); ok {
		t.Error("an exchange that is not there is found")
	}
	_ = out.Close()
	_, _ = io.ReadAll(response.Body)
	end(x, response)
	eventually(t, "it is saved", func() bool { return h.LiveCount() == 0 })
	if row := told(); row.State != flow.Done || row.Micros < 0 || row.ResponseSize != 11 {
		t.Errorf("saved: %+v", row)
	}
	if rows, err := h.store.Rows(store.Query{Limit: 10}); err != nil || len(rows) != 1 || rows[0].Micros < 0 {
		t.Errorf("the store has %v, %v", rows, err)
	}
	if _, ok := h.Lookup(1); ok || len(h.Live()) != 0 {
		t.Error("a saved exchange is still live")
	}
}

func TestChangesAreBoundedAndToldInTurn(t *testing.T) {
	h := openHouse(t, settings(), saying("ok"))
	for range 5 {
		if _, err := serve(h, request(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if rows, more := h.Drain(3); len(rows) != 3 || rows[0].Seq != 1 || rows[2].Seq != 3 || !more {
		t.Errorf("three of five: %v, more %t", rows, more)
	}
	if rows, more := h.Drain(3); len(rows) < 2 || rows[0].Seq != 4 || rows[1].Seq != 5 || more && len(rows) < 3 {
		t.Errorf("the others: %v, more %t", rows, more)
	}
	for range changesKept + 10 {
		if _, err := serve(h, request(nil)); err != nil {
			t.Fatal(err)
		}
	}
	h.drained()
	rows, more := h.Drain(2 * changesKept)
	if len(rows) != changesKept || !more {
		t.Errorf("%d rows, more %t: want the youngest %d and that there were others", len(rows), more, changesKept)
	}
	if rows, more := h.Drain(10); len(rows) != 0 || more {
		t.Errorf("then %d rows, more %t", len(rows), more)
	}
}

func TestPausedRecordingPassesTrafficUntouched(t *testing.T) {
	answer := flow.NewResponse(200, "", []byte("x"))
	h := openHouse(t, settings(), flow.HandlerFunc(func(*flow.Exchange) *flow.Response { return answer }))
	h.SetRecording(false)
	x := request(strings.NewReader("body"))
	body, answerBody := x.Request.Body, answer.Body
	if response := h.Handle(x); response != answer || response.Body != answerBody || x.Request.Body != body || x.Seq != 0 {
		t.Error("it is touched")
	}
	if h.LiveCount() != 0 || h.Stats().Recording {
		t.Errorf("it is recorded: %+v", h.Stats())
	}
	h.SetRecording(true)
	if _, err := serve(h, request(nil)); err != nil || !h.Stats().Recording {
		t.Fatal(err)
	}
	if r := h.kept(1); r.Status != 200 {
		t.Errorf("then it is kept as %+v", r)
	}
}

func TestNumbersGoOnAfterARestart(t *testing.T) {
	h := openHouse(t, settings(), saying("ok"))
	numbered := request(nil)
	h.Number(numbered)
	h.Number(numbered)
	first := numbered.Seq
	for _, x := range []*flow.Exchange{request(nil), numbered} {
		if _, err := serve(h, x); err != nil {
			t.Fatal(err)
		}
	}
	h.drained()
	if _, _, err := h.store.Remove(store.Selection{All: true}); err != nil {
		t.Fatal(err)
	}
	if err := h.store.Purge(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	h.open(settings(), saying("ok"))
	x := request(nil)
	if _, err := serve(h, x); err != nil {
		t.Fatal(err)
	}
	if first != 1 || x.Seq != 3 {
		t.Errorf("the first was #%d, the next after the restart is #%d", first, x.Seq)
	}
}

func TestCloseSavesWhatStillRunsAsAborted(t *testing.T) {
	data := pattern(3 * store.ChunkSize)
	h := openHouse(t, settings(), answering(func() io.Reader { return io.MultiReader(bytes.NewReader(data), &zeros{math.MaxInt64}) }))
	x := request(nil)
	response := h.Handle(x)
	if _, err := io.ReadFull(response.Body, make([]byte, len(data)-10)); err != nil {
		t.Fatal(err)
	}
	r := h.kept(1)
	if r.State != flow.Aborted || r.Status != 200 || r.Timing.Done <= 0 || !bytes.Equal(h.body(r.ResponseBody), data[:len(data)-10]) {
		t.Errorf("kept as %s, %d, %v, %+v", r.State, r.Status, r.Timing.Done, r.ResponseBody)
	}
	if _, err := response.Body.Read(make([]byte, 100)); err != nil {
		t.Errorf("the stream ended with the recorder: %v", err)
	}
	end(x, response)
	late := request(nil)
	if got := h.Handle(late); got == nil || h.LiveCount() != 0 || h.Stats().Lost != 0 {
		t.Errorf("after Close: %v, %d live, %+v", got, h.LiveCount(), h.Stats())
	}
}

func TestRetainFollowsTheSettings(t *testing.T) {
	h := openHouse(t, settings(), saying("ok"))
	for range 20 {
		if _, err := serve(h, request(nil)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are saved", func() bool { return h.store.Total() == 20 })
	if dropped, err := h.Retain(t.Context()); dropped != 0 || err != nil {
		t.Errorf("within the limits %d are dropped, %v", dropped, err)
	}
	s := settings()
	s.MaxExchanges = 5
	h.Configure(s)
	if dropped, err := h.Retain(t.Context()); dropped != 15 || err != nil || h.store.Total() != 5 {
		t.Errorf("%d are dropped, %d are left, %v", dropped, h.store.Total(), err)
	}
	s = Settings{MaxAge: schema.Duration(time.Nanosecond)}
	h.Configure(s)
	if dropped, err := h.Retain(t.Context()); dropped != 5 || err != nil {
		t.Errorf("%d are dropped by age, %v", dropped, err)
	}
}

func TestTheSettingsDescribeThemselves(t *testing.T) {
	s := settings()
	if s.BodyCap != 10<<20 || s.MaxExchanges != 1_000_000 || s.MaxAge != 0 || s.MaxSize != 8<<30 {
		t.Errorf("the defaults are %+v", s)
	}
	for _, f := range schema.Of(new(Settings)) {
		if f.Title == "" || f.Help == "" {
			t.Errorf("%s has no title or help", f.Name)
		}
	}
}

func TestWatchersSeeSnapshots(t *testing.T) {
	h := openHouse(t, settings(), answering(func() io.Reader { return &zeros{100_000} }))
	ctx, cancel := context.WithCancel(t.Context())
	var watching, traffic sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			for _, row := range h.Live() {
				if row.State != flow.Pending || row.Micros != -1 {
					t.Errorf("live: %+v", row)
				}
				if r, ok := h.Lookup(row.Seq); ok && (r.Seq != row.Seq || len(r.RequestHead) == 0) {
					t.Errorf("looked up: %+v", r)
				}
			}
			rows, _ := h.Drain(500)
			for _, row := range rows {
				if row.Seq == 0 || row.Method != "POST" {
					t.Errorf("told: %+v", row)
				}
			}
			h.Stats()
		}
	})
	for range 4 {
		traffic.Go(func() {
			for range 100 {
				if _, err := serve(h, request(strings.NewReader("question"))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	traffic.Wait()
	cancel()
	watching.Wait()
	h.drained()
	if n := h.store.Total(); n != 400 || h.Stats().Lost != 0 || h.LiveCount() != 0 {
		t.Errorf("%d kept, %+v, %d live", n, h.Stats(), h.LiveCount())
	}
}

// The clock of a computer may be set back: what was counted in what is the future now is not waited for.
func TestFiguresGoOnWhenTheClockIsSetBack(t *testing.T) {
	now := time.Now()
	var s stats
	for i := range 70 {
		s.finished(now.Add(time.Hour+time.Duration(i)*time.Second), time.Second)
	}
	for i := range 70 {
		s.finished(now.Add(time.Duration(i)*time.Second), time.Millisecond)
	}
	if p99 := s.p99(now.Add(70 * time.Second)); p99 < 0.9 || p99 > 1.2 {
		t.Errorf("p99 is %v ms, want about 1", p99)
	}
}
