package mock

import (
	"context"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/policytest"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func fileOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "answer.body")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaws(t *testing.T) {
	policytest.Laws(t, Module,
		map[string]any{"status": int64(201), "headers": map[string]any{"X-Mock": "yes"}, "body": `{"page": ${query.page}}`, "delay": "1ms"},
		map[string]any{"body_base64": "AAEC"},
		map[string]any{"body_file": fileOf(t, "from a file")},
	)
}

func policyOf(t *testing.T, values map[string]any) policy.Policy {
	t.Helper()
	s := new(Settings)
	if problems := schema.Decode("", values, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := s.Policy(policy.NewEnv("a/mock", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func exchange(ctx context.Context, line string) *flow.Exchange {
	method, target, _ := strings.Cut(line, " ")
	x := flow.NewExchange(ctx, flow.Reverse, &flow.Request{Method: method, Scheme: "http", Authority: "shop.test", Target: target, Body: flow.NoBody})
	x.Enter("a/mock", "")
	return x
}

func never(*flow.Exchange) (*flow.Response, error) {
	return nil, problem.New(problem.Internal, "a mock asked the server")
}

// answered is an answer as lines: status, fields, an empty line, body.
func answered(t *testing.T, p policy.Policy, x *flow.Exchange) (text string, length int64) {
	t.Helper()
	r, err := p.Apply(x, never)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if !x.Mocked {
		t.Error("the exchange does not count as mocked")
	}
	var b strings.Builder
	for _, f := range r.Header {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	return b.String() + "\n" + string(body), r.ContentLength
}

func TestAMockAnswers(t *testing.T) {
	two := []any{map[string]any{"name": "Set-Cookie", "value": "a=1"}, map[string]any{"name": "Set-Cookie", "value": "b=${query.b}"}}
	binary := base64.StdEncoding.EncodeToString([]byte("\x89PNG\r\n\x1a\n\x00"))
	for _, c := range []struct {
		name   string
		values map[string]any
		line   string
		want   string
		length int64
	}{
		{"nothing", nil, "GET /", "\n", 0},
		{"a body of text", map[string]any{"body": "hello"}, "GET /", "Content-Type: text/plain; charset=utf-8\n\nhello", 5},
		{"a body for HEAD", map[string]any{"body": "hello"}, "HEAD /", "Content-Type: text/plain; charset=utf-8\n\n", 5},
		{"places", map[string]any{"headers": two, "body": `{"page": ${query.page}, "at": "${path}", "js": "${$}{x}"}`}, "GET /a?page=2&b=3%0d%0aX:%201",
			"Set-Cookie: a=1\nSet-Cookie: b=3  X: 1\nContent-Type: application/json\n\n" + `{"page": 2, "at": "/a", "js": "${x}"}`, 37},
		{"a type of its own", map[string]any{"headers": map[string]any{"content-type": "text/csv"}, "body": "{}"}, "GET /", "content-type: text/csv\n\n{}", 2},
		{"a coded body", map[string]any{"headers": map[string]any{"Content-Encoding": "br"}, "body_base64": "Cw=="}, "GET /", "Content-Encoding: br\n\n\x0b", 1},
		{"bytes", map[string]any{"body_base64": binary[:4] + "\n " + binary[4:]}, "GET /", "Content-Type: image/png\n\n\x89PNG\r\n\x1a\n\x00", 9},
		{"no content", map[string]any{"status": int64(204)}, "DELETE /", "\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, length := answered(t, policyOf(t, c.values), exchange(t.Context(), c.line))
			if got != c.want || length != c.length {
				t.Errorf("%d bytes, answered\n%s\nwant\n%s", length, got, c.want)
			}
		})
	}
}

func TestAFileIsReadAnewForEachAnswer(t *testing.T) {
	path := fileOf(t, `{"first": true}`)
	p := policyOf(t, map[string]any{"body_file": path})
	if got, _ := answered(t, p, exchange(t.Context(), "GET /")); got != "Content-Type: application/json\n\n{\"first\": true}" {
		t.Errorf("answered %q", got)
	}
	if err := os.WriteFile(path, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, length := answered(t, p, exchange(t.Context(), "GET /")); !strings.HasSuffix(got, "\nsecond") || length != 6 {
		t.Errorf("answered %q", got)
	}
	if got, length := answered(t, p, exchange(t.Context(), "HEAD /")); strings.Contains(got, "second") || length != 6 {
		t.Errorf("answered HEAD with %d bytes: %q", length, got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	x := exchange(t.Context(), "GET /")
	if r, err := p.Apply(x, never); r != nil || problem.KindOf(err) != problem.Unavailable || x.Mocked {
		t.Errorf("without its file: %v %v", r, err)
	}
}

func TestAFileThatGrowsSendsWhatItsHeadPromised(t *testing.T) {
	path := fileOf(t, "short")
	r, err := policyOf(t, map[string]any{"body_file": path}).Apply(exchange(t.Context(), "GET /"), never)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(" and longer"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "short" {
		t.Errorf("%q %v", body, err)
	}
}

func TestAMissingFileIsFoundBeforeAnythingRuns(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		s := new(Settings)
		if problems := schema.Decode("", map[string]any{"body_file": path}, s); len(problems) > 0 {
			t.Fatal(problems)
		}
		_, err := s.Policy(policy.NewEnv("a/mock", nil, nil))
		if p := problem.Of(err); p == nil || p.Kind != problem.Unavailable || p.Where != "body_file" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestTheDelayIsKeptAndEndsWithTheClient(t *testing.T) {
	p := policyOf(t, map[string]any{"delay": "3s", "body": "late"})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if got, _ := answered(t, p, exchange(t.Context(), "GET /")); !strings.HasSuffix(got, "late") || time.Since(start) != 3*time.Second {
			t.Errorf("%q after %s", got, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		x := exchange(ctx, "GET /")
		if _, err := p.Apply(x, never); problem.KindOf(err) != problem.ClientLeft || time.Since(start) != 4*time.Second || x.Mocked {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func TestWhatIsNoAnswerIsRefused(t *testing.T) {
	for _, c := range []struct {
		values map[string]any
		where  string
	}{
		{map[string]any{"body": "a", "body_base64": "YQ=="}, "cells.1.body"},
		{map[string]any{"body_base64": "%"}, "cells.1.body_base64"},
		{map[string]any{"body": "${nothing}"}, "cells.1.body"},
		{map[string]any{"body": "${status}"}, "cells.1.body"},
		{map[string]any{"status": int64(304), "body": "a"}, "cells.1.status"},
		{map[string]any{"status": int64(101)}, "cells.1.status"},
		{map[string]any{"headers": map[string]any{"Content-Length": "1"}}, "cells.1.headers.Content-Length"},
	} {
		problems := schema.Decode("cells.1", c.values, new(Settings))
		if len(problems) != 1 || problems[0].Where != c.where {
			t.Errorf("%v: %v", c.values, problems)
		}
	}
}

func TestABodyIsKnownByHowItBegins(t *testing.T) {
	for body, want := range map[string]string{
		`[1, 2]`:                         "application/json",
		` {"a": ${query.a}}`:             "application/json",
		`"text"`:                         "application/json",
		`{a}`:                            "text/plain; charset=utf-8",
		"<!DOCTYPE html><p>":             "text/html; charset=utf-8",
		"\ufeff<html>":                   "text/html; charset=utf-8",
		"<svg xmlns='x'/>":               "image/svg+xml",
		"<?xml version='1.0'?>":          "application/xml",
		"grün":                           "text/plain; charset=utf-8",
		"gr\xc3":                         "text/plain; charset=utf-8",
		"\xff\xfe":                       "application/octet-stream",
		"a\x00b":                         "application/octet-stream",
		"\xff\xd8\xff\xe0":               "image/jpeg",
		"%PDF-1.7":                       "application/pdf",
		"[" + strings.Repeat("1,", 3000): "application/json",
	} {
		if got := kindOf([]byte(body)); got != want {
			t.Errorf("%.30q is %s, want %s", body, got, want)
		}
	}
}

func TestItSaysItself(t *testing.T) {
	for _, c := range []struct {
		want   string
		values map[string]any
	}{
		{"answers 200", nil},
		{"answers 201 with 13 bytes of text after 2s", map[string]any{"status": int64(201), "body": `{"made":true}`, "delay": "2s"}},
		{"answers 200 with 3 bytes", map[string]any{"body_base64": "AAEC"}},
		{"answers 200 with the file a.json", map[string]any{"body_file": "/srv/a.json"}},
	} {
		s := new(Settings)
		if problems := schema.Decode("", c.values, s); len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := s.Explain(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
