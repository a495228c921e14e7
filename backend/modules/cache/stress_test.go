package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
	"proxycache/backend/policy"
)

// drip is a body that comes in pieces, over some time, and may break off.
type drip struct {
	text   string
	breaks bool
	random *rand.Rand
	closed bool
}

func (d *drip) Read(p []byte) (int, error) {
	if d.closed {
		return 0, io.ErrClosedPipe
	}
	time.Sleep(time.Duration(d.random.IntN(3)) * time.Millisecond)
	if d.text == "" {
		return 0, io.EOF
	}
	if d.breaks && len(d.text) < 500 {
		return 0, errRefused
	}
	n := copy(p[:min(len(p), 1+d.random.IntN(5000))], d.text)
	d.text = d.text[n:]
	return n, nil
}

func (d *drip) Close() error {
	if d.closed {
		panic("a body is closed twice")
	}
	d.closed = true
	return nil
}

// bodyOf is what the server has for a path and a value of Foo: what a client reads tells whether it is
// the right one.
func bodyOf(target, foo string) string { return strings.Repeat(target+" "+foo+";", 2000) }

// lending is a store that counts what it has lent.
type lending struct {
	cachestore.Store
	out atomic.Int64
}

func (l *lending) Get(key string) (*cachestore.Object, error) {
	o, err := l.Store.Get(key)
	if o == nil || err != nil {
		return o, err
	}
	l.out.Add(1)
	return &cachestore.Object{Response: o.Response, Body: &lentBody{Body: o.Body, out: &l.out}}, nil
}

func (l *lending) Put(r *cachestore.Response, size int64) (cachestore.Writer, error) {
	w, err := l.Store.Put(r, size)
	if w == nil || err != nil {
		return w, err
	}
	l.out.Add(1)
	return &lentWriter{w, &l.out}, nil
}

type lentBody struct {
	cachestore.Body
	out    *atomic.Int64
	closed atomic.Bool
}

func (b *lentBody) Close() error {
	if b.closed.Swap(true) {
		panic("a stored body is closed twice")
	}
	b.out.Add(-1)
	return b.Body.Close()
}

type lentWriter struct {
	cachestore.Writer
	out *atomic.Int64
}

func (w *lentWriter) Commit(r *cachestore.Response) error { w.out.Add(-1); return w.Writer.Commit(r) }
func (w *lentWriter) Abort()                              { w.out.Add(-1); w.Writer.Abort() }

// TestManyClientsAtOnce has clients come, leave, read slowly, change things and purge, while the server
// answers in every way. Each gets whole what is its own, or a failure; nothing is held in the end.
func TestManyClientsAtOnce(t *testing.T) {
	happened := map[string]float64{}
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			for _, f := range storm(t, seed) {
				happened[f.Name] += f.Value
			}
		})
	}
	for _, name := range []string{"hits_total", "misses_total", "collapsed_total", "revalidated_total", "stale_total", "stored_total", "not_stored_total", "invalidated_total"} {
		if happened[name] == 0 {
			t.Errorf("%s is 0: not everything has happened", name)
		}
	}
}

func storm(t *testing.T, seed uint64) []policy.Figure {
	h := newHouse(t, map[string]any{"memory": "1MiB", "max_object": "64KiB", "lock_timeout": "20ms"})
	store := &lending{Store: h.p.store()}
	var counted cachestore.Store = store
	h.p.shelf.store.Store(&counted)
	var mu sync.Mutex
	root := rand.New(rand.NewPCG(seed, 1))
	random := func() *rand.Rand {
		mu.Lock()
		defer mu.Unlock()
		return rand.New(rand.NewPCG(root.Uint64(), 2))
	}
	next := func(x *flow.Exchange) (*flow.Response, error) {
		r := random()
		select {
		case <-time.After(time.Duration(r.IntN(30)) * time.Millisecond):
		case <-x.Context().Done():
			return nil, x.Context().Err()
		}
		kind := r.IntN(10)
		switch {
		case x.Request.Method == "DELETE":
			return response("204"), nil
		case kind == 0:
			return nil, errRefused
		case kind == 1:
			return response("503"), nil
		case x.Request.Header.Has("If-None-Match") && kind < 6:
			return response("304\nCache-Control: max-age=1"), nil
		}
		fields := "Vary: Foo\nETag: \"a\"\nCache-Control: " + []string{"max-age=1", "max-age=0", "private", "max-age=1, stale-while-revalidate=5", "max-age=1, stale-if-error=5"}[r.IntN(5)]
		text := bodyOf(x.Request.Target, x.Request.Header.Get("Foo"))
		return &flow.Response{Status: 200, Proto: "HTTP/1.1", Header: header(fields), ContentLength: []int64{-1, int64(len(text))}[r.IntN(2)],
			Body: &drip{text: text, breaks: r.IntN(10) == 0, random: r}}, nil
	}
	var running sync.WaitGroup
	for range 60 {
		running.Go(func() {
			r := random()
			for range 20 {
				time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
				stormClient(t, h, next, r)
			}
		})
	}
	running.Wait()
	time.Sleep(time.Minute) // what goes on in the background
	synctest.Wait()
	f := &h.p.shelf.flights
	if f.held != 0 || len(f.going) != 0 {
		t.Errorf("seed %d: %d bytes are held, %d fetches go on", seed, f.held, len(f.going))
	}
	if n := store.out.Load(); n != 0 {
		t.Errorf("seed %d: %d bodies and writers of the store are open", seed, n)
	}
	state := h.p.State()
	if state.Figures[0].Name != "entries" || state.Figures[0].Value > 20 { // 4 responses, and what is stored of them
		t.Errorf("seed %d: %+v", seed, state.Figures[0])
	}
	return state.Figures
}

func stormClient(t *testing.T, h *house, next func(*flow.Exchange) (*flow.Response, error), r *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	target, foo := fmt.Sprintf("/%d", r.IntN(2)), fmt.Sprint(r.IntN(2))
	ranges := ""
	if r.IntN(8) == 0 {
		ranges = "\nRange: bytes=0-10000"
	}
	ask := []string{"GET ", "GET ", "GET ", "GET ", "GET ", "GET ", "HEAD ", "DELETE "}[r.IntN(8)] + target + "\nFoo: " + foo + ranges
	if r.IntN(4) == 0 {
		after := time.Duration(r.IntN(60)) * time.Millisecond
		time.AfterFunc(after, cancel)
	}
	res, err := h.p.Apply(h.exchange(ctx, ask), next)
	if err != nil {
		return
	}
	got, err := io.ReadAll(io.LimitReader(res.Body, int64(1+r.IntN(100_000))))
	if closeErr := res.Body.Close(); closeErr != nil {
		t.Error(closeErr)
	}
	want := []byte(bodyOf(target, foo))
	switch {
	case errors.Is(err, errRefused), ctx.Err() != nil, res.Status != 200 && res.Status != 206, strings.HasPrefix(ask, "GET") == false:
	case err != nil:
		t.Errorf("%s: %v", ask, err)
	case !bytes.HasPrefix(want, got):
		t.Errorf("%s got what is not its own: %.40q", ask, got)
	}
}
