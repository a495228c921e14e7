package cachestore

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// Every step is compared with a map, and the bookkeeping is counted over.
func TestMemoryDoesWhatAMapDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, model := openMemory(64<<20), map[string]*Response{}
		key := rapid.SampledFrom([]string{"a", "b", "c", "d", "e/1", "e/2"})
		tags := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3)
		response := func(key string) *Response {
			return &Response{Key: key, URL: "u/" + key[:1], Tags: tags.Draw(t, "tags"), Status: 200}
		}
		selection := func() Selection {
			return rapid.SampledFrom([]Selection{{URL: "u/e"}, {URL: "u/a"}, {Prefix: "u/"}, {Prefix: "u/b"}, {Tag: "x"}, {Tag: "y"}, {Match: regexp.MustCompile("[cd]$")}}).Draw(t, "selection")
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				r := response(key.Draw(t, "key"))
				w, _ := m.Put(r, int64(rapid.SampledFrom([]int{-1, 0, 7}).Draw(t, "size")))
				if rapid.Bool().Draw(t, "abort") {
					w.Abort()
					return
				}
				_ = w.Commit(r)
				model[r.Key] = r
			},
			"update": func(t *rapid.T) {
				r := response(key.Draw(t, "key"))
				if o, _ := m.Get(r.Key); o != nil {
					_ = m.Update(r, o.Response)
					_ = o.Body.Close()
				}
				if model[r.Key] != nil {
					model[r.Key] = r
				}
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				_ = m.Delete(k)
				delete(model, k)
			},
			"purge": func(t *rapid.T) {
				s, want := selection(), 0
				for k, r := range model {
					if s.matches(r) {
						want++
						delete(model, k)
					}
				}
				if n, _ := m.Purge(s, false); n != want {
					t.Fatalf("%+v: %d purged, want %d", s, n, want)
				}
			},
			"purge softly": func(t *rapid.T) {
				s := selection()
				for k, r := range model {
					if s.matches(r) {
						marked := *r
						marked.Purged = true
						model[k] = &marked
					}
				}
				_, _ = m.Purge(s, true)
			},
			"": func(t *rapid.T) {
				countOver(t, m)
				for _, k := range []string{"a", "b", "c", "d", "e/1", "e/2"} {
					o, _ := m.Get(k)
					if (o != nil) != (model[k] != nil) || o != nil && o.Purged != model[k].Purged {
						t.Fatalf("%s: found %t, the map %t", k, o != nil, model[k] != nil)
					}
					if o != nil {
						_ = o.Body.Close()
					}
				}
			},
		})
	})
}

// countOver compares every sum and index of m with what is there.
func countOver(t rapid.TB, m *memory) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var used, ranked int64
	for i, e := range m.all {
		used += e.cost
		if e.at != i || m.entries[e.response.Key] != e {
			t.Fatalf("%q is not where it says", e.response.Key)
		}
	}
	for i := range m.ranks.lists {
		ranked += m.ranks.lists[i].bytes
	}
	if used != m.used || ranked != m.used || len(m.entries) != len(m.all) {
		t.Fatalf("used %d: counted %d, in ranks %d; %d entries and %d", m.used, used, ranked, len(m.entries), len(m.all))
	}
	for name, x := range map[string]index{"urls": m.urls, "tags": m.tags} {
		mentions, want := 0, len(m.all)
		for _, at := range x {
			for ; at != nil; at = at.next {
				mentions++
			}
		}
		if name == "tags" {
			want = 0
			for _, e := range m.all {
				want += len(e.response.Tags)
			}
		}
		if mentions != want {
			t.Fatalf("the index of %s mentions %d, want %d", name, mentions, want)
		}
	}
}
