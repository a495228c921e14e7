package core

import (
	"testing"

	"proxycache/backend/flow"
)

func TestAMockHasNothingOfOurOwn(t *testing.T) {
	c := house(t)
	r := &flow.Record{
		Status:       200,
		ResponseHead: []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nVia: 1.1 proxycache\r\nAge: 3\r\nCache-Status: proxycache; hit\r\nRateLimit: \"a\";r=1\r\nRateLimit-Policy: \"a\";q=2\r\nX-RateLimit-Remaining: 1\r\nX-Request-Id: ours\r\nX-Theirs: kept\r\n\r\n"),
		Trail:        flow.Trail{{Module: "requestid", Response: &flow.Delta{Header: []flow.FieldEdit{{Op: "add", Name: "X-Request-Id", Now: "ours"}}}}},
	}
	for _, want := range []int{2, 3} { // then without a cell that gives ids: the id is the target's
		s, err := c.mockSettings(r)
		if err != nil {
			t.Fatal(err)
		}
		if headers, _ := s["headers"].([]any); len(headers) != want {
			t.Errorf("it answers with %v", s["headers"])
		}
		r.Trail = nil
	}
}
