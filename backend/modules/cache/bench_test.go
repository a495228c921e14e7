package cache

import (
	"context"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/schema"
)

func BenchmarkHit(b *testing.B) {
	s := new(Settings)
	schema.Defaults(s)
	made, err := s.Policy(policy.NewEnv("bench/cache", nil, nil))
	if err != nil {
		b.Fatal(err)
	}
	h := &house{p: made.(*cache)}
	body := strings.Repeat("x", 1024)
	h.give = func(*flow.Exchange) (*flow.Response, error) {
		return response("200\nCache-Control: max-age=3600\nContent-Type: text/plain\nServer: x\nETag: \"abc\"\n\n" + body), nil
	}
	if _, _, err := h.ask("GET /a/b/c?d=e"); err != nil {
		b.Fatal(err)
	}
	x := h.exchange(context.Background(), "GET /a/b/c?d=e\nUser-Agent: curl/8\nAccept: */*\nAccept-Encoding: gzip")
	buf := make([]byte, 32<<10)
	b.ReportAllocs()
	for b.Loop() {
		x.Trail[0].Facts = x.Trail[0].Facts[:0]
		r, err := h.p.Apply(x, h.next)
		if err != nil || r.Status != 200 {
			b.Fatal(err)
		}
		if n, _ := r.Body.Read(buf); n != 1024 {
			b.Fatal(n)
		}
		_ = r.Body.Close()
	}
	if len(h.sent) != 1 {
		b.Fatalf("%d requests reached the server", len(h.sent))
	}
}

func BenchmarkMiss(b *testing.B) {
	s := new(Settings)
	schema.Defaults(s)
	made, err := s.Policy(policy.NewEnv("bench/cache", nil, nil))
	if err != nil {
		b.Fatal(err)
	}
	p := made.(*cache)
	h := &house{p: p}
	body, fields := []byte(strings.Repeat("x", 1024)), header("Cache-Control: max-age=3600\nContent-Type: text/plain\nServer: x\nETag: \"abc\"")
	next := func(*flow.Exchange) (*flow.Response, error) {
		r := flow.NewResponse(200, "", body)
		r.Header = fields
		return r, nil
	}
	x := h.exchange(context.Background(), "GET /a")
	buf := make([]byte, 32<<10)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		x.Trail[0].Facts = x.Trail[0].Facts[:0]
		x.Request.Target = "/" + formatInt(int64(i))
		r, err := p.Apply(x, next)
		if err != nil || r.Status != 200 {
			b.Fatal(err)
		}
		for err == nil {
			_, err = r.Body.Read(buf)
		}
		_ = r.Body.Close()
	}
}
