package cachestore

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func lawDelete(t *testing.T, k kind) {
	s := k.open(t, room)
	put(t, s, sample("a"), []byte("x"))
	put(t, s, sample("b"), []byte("y"))
	for range 2 {
		if err := s.Delete("a"); err != nil {
			t.Fatal(err)
		}
		wantAbsent(t, s, "a")
	}
	wantBody(t, s, "b", "y")
	put(t, s, sample("a"), []byte("z"))
	wantBody(t, s, "a", "z")
}

func lawDrop(t *testing.T, k kind) {
	s := k.open(t, room)
	r := sample("a")
	put(t, s, r, []byte("x"))
	r = sample("a")
	r.Drop = time.Now().Add(-time.Second)
	if err := s.Update(r, get(t, s, "a").Response); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, "a")
	put(t, s, sample("b"), []byte("old"))
	r = sample("b")
	r.Drop = time.Now()
	put(t, s, r, []byte("new"))
	wantAbsent(t, s, "b")
	r = sample("c")
	r.Drop = time.Time{} // none: until it is pushed out
	put(t, s, r, []byte("x"))
	wantBody(t, s, "c", "x")
	r = sample("d")
	r.Drop = time.Now().Add(30 * time.Millisecond)
	put(t, s, r, []byte("x"))
	for deadline := time.Now().Add(5 * time.Second); ; {
		o, err := s.Get("d")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("it is still found after its time, %v", err)
		}
		if o == nil {
			break
		}
		_ = o.Body.Close()
	}
}

func lawPurge(t *testing.T, k kind) {
	keys := []string{"a/1", "a/2", "b/1", "b/1#gzip", "c"}
	cases := []struct {
		name string
		s    Selection
		gone string
	}{
		{"one URL, all its variants", Selection{URL: "http://shop.test/b/1"}, "b/1 b/1#gzip"},
		{"a URL that is not there", Selection{URL: "http://shop.test/b"}, ""},
		{"a prefix", Selection{Prefix: "http://shop.test/a/"}, "a/1 a/2"},
		{"a prefix with what other languages expand", Selection{Prefix: "http://shop.test/*"}, ""},
		{"a tag", Selection{Tag: "page-c"}, "c"},
		{"nothing", Selection{}, ""},
		{"the tag of all", Selection{Tag: "shop"}, "a/1 a/2 b/1 b/1#gzip c"},
		{"an expression", Selection{Match: regexp.MustCompile(`/1$`)}, "a/1 b/1 b/1#gzip"},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			s := k.open(t, room)
			for _, key := range keys {
				r := sample(key)
				r.URL = "http://shop.test/" + strings.TrimSuffix(key, "#gzip")
				put(t, s, r, []byte(key))
			}
			n, err := s.Purge(c.s, false)
			if err != nil {
				t.Fatal(err)
			}
			if want := len(strings.Fields(c.gone)); n != want && n != -1 {
				t.Errorf("it tells %d, want %d", n, want)
			}
			coarse := k.coarse && (c.s.Prefix != "" || c.s.Match != nil)
			for _, key := range keys {
				if strings.Contains(" "+c.gone+" ", " "+key+" ") || coarse {
					wantAbsent(t, s, key)
				} else {
					wantBody(t, s, key, key)
				}
			}
			put(t, s, sample("a/1"), []byte("again"))
			wantBody(t, s, "a/1", "again")
		})
	}
}

func lawSoftPurge(t *testing.T, k kind) {
	for _, sel := range []Selection{{URL: "http://shop.test/a"}, {Tag: "page-a"}, {Prefix: "http://shop.test/a"}, {Match: regexp.MustCompile("a$")}} {
		s := k.open(t, room)
		put(t, s, sample("a"), []byte("x"))
		put(t, s, sample("b"), []byte("y"))
		before := get(t, s, "a")
		n, err := s.Purge(sel, true)
		if err != nil || n != 1 && n != -1 {
			t.Fatalf("%+v: %d purged, %v", sel, n, err)
		}
		o := get(t, s, "a")
		if o == nil || !o.Purged || string(content(t, o)) != "x" {
			t.Fatalf("%+v: it is not there and marked", sel)
		}
		if before.Purged {
			t.Errorf("%+v: the response in somebody's hands was changed", sel)
		}
		if coarse := k.coarse && sel.URL == "" && sel.Tag == ""; !coarse && get(t, s, "b").Purged {
			t.Errorf("%+v: another is marked too", sel)
		}
		if err := s.Update(sample("a"), before.Response); err != nil || !get(t, s, "a").Purged {
			t.Fatalf("%+v: a validation from before undid it, %v", sel, err)
		}
		if err := s.Update(sample("a"), get(t, s, "a").Response); err != nil {
			t.Fatal(err)
		}
		if get(t, s, "a").Purged {
			t.Errorf("%+v: it is marked after a validation", sel)
		}
		_, _ = s.Purge(sel, true)
		put(t, s, sample("a"), []byte("z"))
		if get(t, s, "a").Purged {
			t.Errorf("%+v: what was put afterwards is marked", sel)
		}
	}
}

func lawMark(t *testing.T, k kind) {
	s := k.open(t, room)
	mark := &Response{Key: "m", URL: "http://shop.test/m", Vary: []string{"accept", "cookie"}, Drop: time.Now().Add(time.Hour)}
	put(t, s, mark, nil)
	o := get(t, s, "m")
	if o == nil || o.Body.Size() != 0 {
		t.Fatal("the mark is not found, or has a body")
	}
	sameResponse(t, o.Response, unclocked(mark))
	if n, err := s.Purge(Selection{URL: mark.URL}, true); err != nil || n > 0 {
		t.Errorf("softly: %d, %v", n, err)
	}
	if get(t, s, "m") == nil {
		t.Error("a soft purge took the mark")
	}
	if n, err := s.Purge(Selection{URL: mark.URL}, false); err != nil || n > 0 {
		t.Errorf("%d, %v", n, err)
	}
	wantAbsent(t, s, "m")
}
