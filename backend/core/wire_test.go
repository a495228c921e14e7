package core

import (
	"fmt"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

func head(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n") }

func edit(op, name, was, now string) *flow.Delta {
	return &flow.Delta{Header: []flow.FieldEdit{{Op: op, Name: name, Was: was, Now: now}}}
}

func toldOf(d Leg) string {
	var b strings.Builder
	for _, e := range d.Fields {
		fmt.Fprintf(&b, "%s %s %q %q; ", e.Op, e.Name, e.Was, e.Now)
	}
	if d.LineAfter == "" {
		return b.String() + "no line"
	}
	return b.String() + d.LineBefore + " | " + d.LineAfter
}

func TestWhatTheConnectionToATargetChanges(t *testing.T) {
	pool := func(sent, came []byte) flow.Step {
		return flow.Step{Cell: "upstream/shop", Module: "upstream", Verdict: flow.Picked, Sent: sent, Came: came}
	}
	rewrite := &flow.Delta{Header: edit("set", "Host", "a", "b").Header, Line: [2]string{"GET http://a/1", "GET http://b/2"}}
	came := head("HTTP/1.0 200 OK", "Server: s", "Connection: close", "X-Gone: 1")
	for name, c := range map[string]struct {
		trail  flow.Trail
		status int
		want   []string // of each step, sent and came
	}{
		"nothing but ours": {flow.Trail{pool(head("GET /x HTTP/1.1", "Host: a", "Via: 1.1 p"), came)}, 200, []string{
			`add Via "" "1.1 p"; GET /1 HTTP/1.1 | GET /x HTTP/1.1`,
			`remove Connection "close" ""; add Via "" "1.0 proxycache"; HTTP/1.0 200 OK | HTTP/1.0 200 OK`,
		}},
		"what cells did is theirs": {flow.Trail{
			{Cell: "r/rewrite", Module: "rewrite", Request: rewrite},
			{Cell: "r/headers", Module: "headers", Request: edit("add", "X-New", "", "1"), Response: edit("remove", "X-Gone", "1", "")},
			pool(head("GET /2 HTTP/1.1", "Host: b", "X-New: 1"), came),
		}, 200, []string{"no line", "no line", "no line", "no line",
			"GET http://b/2 | GET /2 HTTP/1.1",
			`remove Connection "close" ""; add Via "" "1.0 proxycache"; HTTP/1.0 200 OK | HTTP/1.0 200 OK`,
		}},
		"cells that were passed again": {flow.Trail{
			{Cell: "r/retry", Module: "retry"},
			{Cell: "r/headers", Module: "headers", Request: edit("add", "X-New", "", "1"), Response: edit("add", "Via", "", "1.0 p")},
			pool(head("GET /1 HTTP/1.1", "Host: a", "X-New: 1"), head("HTTP/1.1 503 Service Unavailable")),
			{Cell: "r/headers", Module: "headers", Request: edit("add", "X-New", "", "2")},
			pool(head("GET /1 HTTP/1.1", "Host: a", "X-New: 2"), came),
		}, 200, []string{"no line", "no line", "no line", "no line",
			"GET /1 HTTP/1.1 | GET /1 HTTP/1.1", `add Via "" "1.1 proxycache"; HTTP/1.1 503 Service Unavailable | HTTP/1.1 503 Service Unavailable`,
			"no line", "no line",
			"GET /1 HTTP/1.1 | GET /1 HTTP/1.1",
			`remove Connection "close" ""; add Via "" "1.0 proxycache"; HTTP/1.0 200 OK | HTTP/1.0 200 OK`,
		}},
		"the last target did not answer": {flow.Trail{
			pool(head("GET /1 HTTP/1.1", "Host: a"), came),
			pool(head("GET /1 HTTP/1.1", "Host: a"), nil),
		}, 502, []string{"GET /1 HTTP/1.1 | GET /1 HTTP/1.1", `remove Connection "close" ""; add Via "" "1.0 proxycache"; HTTP/1.0 200 OK | HTTP/1.0 200 OK`, "GET /1 HTTP/1.1 | GET /1 HTTP/1.1", "no line"}},
		"an answer that no cell got": {flow.Trail{
			{Cell: "upstream/shop", Module: "upstream", Verdict: flow.Failed, Sent: head("GET /1 HTTP/1.1", "Host: a"), Came: head("HTTP/1.1 101 Switching Protocols", "Upgrade: x")},
		}, 502, []string{"GET /1 HTTP/1.1 | GET /1 HTTP/1.1", "HTTP/1.1 101 Switching Protocols | HTTP/1.1 101 Switching Protocols"}},
		"over HTTP/2": {flow.Trail{pool(head("GET /1 HTTP/2.0", "Host: a"), head("HTTP/2.0 200 OK"))}, 200, []string{
			"GET /1 HTTP/1.1 | GET /1 HTTP/2.0", `add Via "" "2.0 proxycache"; HTTP/2.0 200 OK | HTTP/2.0 200 OK`}},
		"one beside it was slower": {flow.Trail{
			pool(head("GET /1 HTTP/1.1", "Host: a"), came),
			{Cell: "upstream/shop", Module: "upstream", Facts: []flow.Fact{{Name: "beside", Value: "slower"}}, Sent: head("GET /1 HTTP/1.1", "Host: a"), Came: head("HTTP/1.1 500 No")},
		}, 200, []string{"GET /1 HTTP/1.1 | GET /1 HTTP/1.1",
			`remove Connection "close" ""; add Via "" "1.0 proxycache"; HTTP/1.0 200 OK | HTTP/1.0 200 OK`,
			"GET /1 HTTP/1.1 | GET /1 HTTP/1.1", `add Via "" "1.1 proxycache"; HTTP/1.1 500 No | HTTP/1.1 500 No`,
		}},
		"before there were heads": {flow.Trail{pool(nil, nil)}, 200, []string{"no line", "no line"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &flow.Record{RequestHead: head("GET /1 HTTP/1.1", "Host: a"), Status: c.status, ResponseHead: head("HTTP/1.1 200 OK", "Server: s", "Via: 1.0 p"), Trail: c.trail}
			for i, s := range steps(r) {
				if sent, answer := toldOf(s.Sent), toldOf(s.Came); sent != c.want[2*i] || answer != c.want[2*i+1] {
					t.Errorf("step %d\nsent %s\nwant %s\ncame %s\nwant %s", i+1, sent, c.want[2*i], answer, c.want[2*i+1])
				}
			}
		})
	}
}
