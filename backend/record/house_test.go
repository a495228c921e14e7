package record

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"proxycache/backend/flow"
	"proxycache/backend/schema"
	"proxycache/backend/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		recordUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// house is a recorder with a store of its own.
type house struct {
	*Recorder
	t     testing.TB
	path  string
	store *store.Store
}

func settings() Settings {
	var s Settings
	schema.Defaults(&s)
	return s
}

func openHouse(t testing.TB, s Settings, next flow.Handler) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "traffic.db")}
	h.open(s, next)
	t.Cleanup(h.close)
	return h
}

func (h *house) open(s Settings, next flow.Handler) {
	h.t.Helper()
	var err error
	if h.store, err = store.Open(h.path); err != nil {
		h.t.Fatal(err)
	}
	if h.Recorder, err = New(Options{Next: next, Store: h.store, Settings: s}); err != nil {
		h.t.Fatal(err)
	}
}

// close saves all there is.
func (h *house) close() {
	if h.Recorder == nil {
		return
	}
	h.drained()
	if err := h.store.Close(); err != nil {
		h.t.Error(err)
	}
	h.Recorder = nil
}

// drained closes the recorder, so that all it had is in the store.
func (h *house) drained() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		h.t.Error(err)
	}
}

// kept is the record of an exchange when all is saved.
func (h *house) kept(seq int64) *flow.Record {
	h.t.Helper()
	h.drained()
	r, err := h.store.Record(seq)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *house) body(b flow.Stored) []byte {
	h.t.Helper()
	if b.Kept == 0 {
		return nil
	}
	body, err := h.store.Body(b.Hash)
	if err != nil {
		h.t.Fatal(err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

const requestText = "POST /v1/items?x=1 HTTP/1.1\r\nHost: Shop.localhost:8080\r\nContent-Type: text/plain\r\n\r\n"

// request is an exchange as the ingress makes it.
func request(body io.Reader) *flow.Exchange {
	q := &flow.Request{
		Method: "POST", Scheme: "http", Authority: "Shop.localhost:8080", Target: "/v1/items?x=1", Proto: "HTTP/1.1",
		Header: flow.Header{{Name: "Host", Value: "Shop.localhost:8080"}, {Name: "Content-Type", Value: "text/plain"}},
		Body:   flow.NoBody, RawHead: []byte(requestText),
	}
	if body != nil {
		q.Body, q.ContentLength = io.NopCloser(body), -1
	}
	return flow.NewExchange(context.Background(), flow.Reverse, q)
}

// answering reads the request and answers with a body whose length only its end tells.
func answering(body func() io.Reader) flow.Handler {
	return flow.HandlerFunc(func(x *flow.Exchange) *flow.Response {
		_, _ = io.Copy(io.Discard, x.Request.Body)
		r := flow.NewResponse(200, "application/json", nil)
		r.Body, r.ContentLength = io.NopCloser(body()), -1
		return r
	})
}

func saying(text string) flow.Handler {
	return answering(func() io.Reader { return bytes.NewReader([]byte(text)) })
}

// serve does what the ingress does with an answer.
func serve(h flow.Handler, x *flow.Exchange) (got []byte, err error) {
	response := h.Handle(x)
	got, err = io.ReadAll(response.Body)
	end(x, response)
	return got, err
}

func end(x *flow.Exchange, response *flow.Response) {
	x.Timing.Done = x.Since()
	_ = response.Body.Close()
	_ = x.Request.Body.Close()
}

// eventually polls for what another goroutine does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

// pattern is n bytes that repeat late.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>15)
	}
	return b
}
