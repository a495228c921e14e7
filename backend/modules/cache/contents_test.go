package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/schema"
)

// kept makes policies of one cell, as plans one after another do.
type plans struct {
	t   *testing.T
	env policy.Env
}

func (p *plans) make(values map[string]any) *house {
	p.t.Helper()
	s := new(Settings)
	if problems := schema.Decode("", values, s); len(problems) > 0 {
		p.t.Fatal(problems)
	}
	made, err := s.Policy(p.env)
	if err != nil {
		p.t.Fatal(err)
	}
	return &house{t: p.t, p: made.(*cache)}
}

func TestContentsOutliveAnEdit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keep := &policy.Keep{}
		p := &plans{t, policy.NewEnv("test/cache", nil, keep)}
		first := p.make(nil)
		first.step(1, step{gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"})
		second := p.make(map[string]any{"stale_if_error": "1m"})
		if err := first.p.Close(); err != nil {
			t.Fatal(err)
		}
		second.step(2, step{body: "old"})
		third := p.make(map[string]any{"memory": "32MiB"})
		if err := second.p.Close(); err != nil {
			t.Fatal(err)
		}
		third.step(3, step{body: "old"})
		if n := len(third.p.kept.open); n != 1 {
			t.Errorf("%d stores are open", n)
		}
		keep.Retain(nil)
		if err := third.p.Close(); err != nil {
			t.Error(err)
		}
		s := new(Settings)
		schema.Defaults(s)
		if _, _, err := third.p.kept.acquire(s, p.env); err == nil {
			t.Error("a cell that is gone opens a store")
		}
	})
}

func TestTheDiskIsFoundAgain(t *testing.T) {
	dir := t.TempDir()
	p := &plans{t, policy.NewEnv("test/cache", nil, nil).In(dir, nil)}
	values := func(size string) map[string]any {
		return map[string]any{"store": "disk", "memory": int64(0), "disk": size}
	}
	h := p.make(values("8MiB"))
	h.plainly("200\nCache-Control: max-age=3600\n\nold", "old", 1)
	if err := h.p.Close(); err != nil {
		t.Fatal(err)
	}
	p.env = policy.NewEnv("test/cache", nil, nil).In(dir, nil) // another process
	h = p.make(values("8MiB"))
	h.plainly("500", "old", 0)
	larger := p.make(values("16MiB"))
	larger.plainly("500", "old", 0)
	if got := larger.p.store().Stats().Capacity; got != 16<<20 {
		t.Errorf("the larger one has %d bytes", got)
	}
	for _, c := range []*cache{h.p, larger.p} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	s := new(Settings)
	if problems := schema.Decode("", values("8MiB"), s); len(problems) > 0 {
		t.Fatal(problems)
	}
	if _, err := s.Policy(policy.NewEnv("test/cache", nil, nil)); err == nil {
		t.Error("there is a disk where there is none")
	}
}

// plainly asks for / without virtual time.
func (h *house) plainly(gives, body string, sent int) {
	h.t.Helper()
	h.give = func(*flow.Exchange) (*flow.Response, error) { return response(gives), nil }
	h.sent = nil
	if _, got, err := h.ask(""); err != nil || got != body || len(h.sent) != sent {
		h.t.Errorf("%q, %v, %d requests reached the server; want %q and %d", got, err, len(h.sent), body, sent)
	}
}

// failing is a store that is not there.
type failing struct{ cachestore.Store }

var errStore = errors.New("the store is not there")

func (failing) Get(string) (*cachestore.Object, error)                     { return nil, errStore }
func (failing) Put(*cachestore.Response, int64) (cachestore.Writer, error) { return nil, errStore }
func (failing) Update(_, _ *cachestore.Response) error                     { return errStore }
func (failing) Delete(string) error                                        { return errStore }
func (failing) Purge(cachestore.Selection, bool) (int, error)              { return 0, errStore }
func (failing) Stats() cachestore.Stats {
	return cachestore.Stats{Entries: -1, Bytes: -1, Capacity: -1, Down: true}
}
func (failing) Close() error { return nil }

func TestItGoesOnWithoutItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		open := h.p.store()
		var down cachestore.Store = failing{}
		h.p.shelf.store.Store(&down)
		for range 2 {
			h.step(1, step{gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"})
			h.step(2, step{ask: "GET /\nFoo: 1", gives: "200\n" + fresh + "Vary: Foo\n\nold", sent: "yes", body: "old"})
		}
		h.step(3, step{ask: "DELETE /", gives: "204", sent: "yes", status: 204})
		h.step(4, step{ask: "PURGE /", status: 503, body: "-"})
		if s := h.p.State(); s.Level != policy.Warn || h.p.count.failures.Load() == 0 {
			t.Errorf("%+v", s)
		}
		if _, err := h.p.Act(t.Context(), "purge", map[string]string{"tag": "a"}); !errors.Is(err, errStore) {
			t.Errorf("%v", err)
		}
		h.p.shelf.store.Store(&open)
	})
}

func TestItsStateIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.step(1, step{gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"})
		h.step(2, step{body: "old"})
		h.step(3, step{body: "old"})
		h.step(4, step{ask: "GET /other", gives: "200\nCache-Control: private\n\nx", sent: "yes", body: "x"})
		s := h.p.State()
		got := map[string]float64{}
		for _, f := range s.Figures {
			got[f.Name] = f.Value
			if f.Counter != strings.HasSuffix(f.Name, "_total") || f.Help == "" {
				t.Errorf("%+v", f)
			}
		}
		for name, want := range map[string]float64{"entries": 1, "hits_total": 2, "misses_total": 2, "stored_total": 1, "not_stored_total": 1, "capacity_bytes": 64 << 20} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if s.Level != policy.Calm || !strings.HasPrefix(s.Summary, "50 % hits, 1 response, ") {
			t.Errorf("%s %q", s.Level, s.Summary)
		}
	})
}

func TestWarmingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		if _, err := h.p.Act(t.Context(), "warm", map[string]string{"urls": "http://shop.localhost/a"}); err == nil {
			t.Error("it warms before the way is known")
		}
		h.step(1, step{ask: "POST /", gives: "200", sent: "yes"})
		site := func(x *flow.Exchange) (*flow.Response, error) {
			switch x.Request.Target {
			case "/sitemap.xml":
				return response("200\n\n<sitemapindex><sitemap><loc>http://shop.localhost/more.xml</loc></sitemap></sitemapindex>"), nil
			case "/more.xml":
				return response("200\n\n<urlset><url><loc>http://shop.localhost/c</loc></url><url><loc>http://shop.localhost/private</loc></url></urlset>"), nil
			case "/private":
				return response("200\nCache-Control: private\n\nx"), nil
			case "/broken":
				return nil, errRefused
			}
			return response("200\n" + fresh + "Vary: Accept-Encoding\n\n" + x.Request.Target), nil
		}
		h.give = site
		said, err := h.p.Act(t.Context(), "warm", map[string]string{
			"urls": "http://shop.localhost/a\nhttp://shop.localhost/b http://shop.localhost/broken", "sitemap": "http://shop.localhost/sitemap.xml", "fields": "Accept-Encoding: gzip",
		})
		if err != nil || said != "5 URLs fetched: 3 stored, 1 not to be stored, 1 failed." {
			t.Errorf("%q, %v", said, err)
		}
		for _, path := range []string{"/a", "/b", "/c"} {
			h.step(2, step{ask: "GET " + path + "\nAccept-Encoding: gzip", body: path})
		}
		h.give = site
		for _, arguments := range []map[string]string{
			nil, {"urls": "/a"}, {"urls": "ftp://a/"}, {"urls": "http://shop.localhost/a", "fields": "x"}, {"sitemap": "http://shop.localhost/private"}, {"sitemap": "http://shop.localhost/broken"},
		} {
			if said, err := h.p.Act(t.Context(), "warm", arguments); err == nil {
				t.Errorf("%v: %q", arguments, said)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.p.Act(ctx, "warm", map[string]string{"urls": "http://shop.localhost/a"}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestPassesAreBounded(t *testing.T) {
	var p passes
	now := time.Now()
	for i := range 3 * maxPasses {
		p.add(fmt.Sprint(i), now)
	}
	if n := len(p.until); n > maxPasses {
		t.Errorf("%d are remembered", n)
	}
	if !p.has(fmt.Sprint(3*maxPasses-1), now) || p.has(fmt.Sprint(3*maxPasses-1), now.Add(passFor)) {
		t.Error("the last one is not remembered for its time")
	}
}

func TestInvalidationsAreRemembered(t *testing.T) {
	var i invalidations
	r := &cachestore.Response{URL: "http://a/b", Tags: []string{"x"}}
	begin := i.now()
	i.add(cachestore.Selection{URL: "http://a/c"})
	if i.since(begin, r) {
		t.Error("another URL counts")
	}
	for _, s := range []cachestore.Selection{{URL: "http://a/b"}, {Prefix: "http://a/"}, {Tag: "x"}} {
		before := i.now()
		if i.add(s); !i.since(before, r) {
			t.Errorf("%+v does not count", s)
		}
	}
	before := i.now()
	for range 200 {
		i.add(cachestore.Selection{URL: "http://a/c"})
	}
	if !i.since(before, r) {
		t.Error("what is forgotten does not count")
	}
}
