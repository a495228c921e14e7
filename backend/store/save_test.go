package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"proxycache/backend/flow"
)

// open is a store of its own in a folder that goes with the test.
func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "traffic.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// exchange is an ordinary record with a number.
func exchange(seq int64) *flow.Record {
	r := &flow.Record{
		Seq: seq, ID: uuid.UUID{6: 0x70, 15: byte(seq)}, Started: time.Unix(1_700_000_000, 0).Add(time.Duration(seq) * time.Millisecond),
		Door: flow.Reverse, Client: "127.0.0.1:50000", State: flow.Done,
		Method: "GET", Scheme: "http", Authority: "shop.localhost:8080", Target: fmt.Sprintf("/v1/items/%d?page=2", seq), RequestProto: "HTTP/1.1",
		RequestHead: []byte("GET /v1/items?page=2 HTTP/1.1\r\nHost: shop.localhost:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\n\r\n"),
		Status:      200, ResponseProto: "HTTP/1.1",
		ResponseHead: []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nServer: nginx\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n\r\n"),
		Route:        "shop", Upstream: "shop", SentTo: "127.0.0.1:3000",
		Timing:     flow.Timing{SendStart: 50 * time.Microsecond, Sent: 60 * time.Microsecond, FirstByte: 900 * time.Microsecond, Done: 1100 * time.Microsecond},
		ClientConn: flow.Conn{Local: "127.0.0.1:8080", Remote: "127.0.0.1:50000", Reused: true},
		TargetConn: flow.Conn{Local: "127.0.0.1:50100", Remote: "127.0.0.1:3000", Reused: true},
		Trail: flow.Trail{
			{Cell: "shop/requestid", Module: "requestid", Verdict: flow.Changed, Facts: []flow.Fact{{Name: "id", Value: "0190"}}, Before: 800,
				Request: &flow.Delta{Header: []flow.FieldEdit{{Op: "add", Name: "X-Request-Id", Now: "0190"}}}},
			{Cell: "upstream/shop", Module: "upstream", Verdict: flow.Picked, Before: 900 * time.Microsecond,
				Sent: []byte("GET /v1/items?page=2 HTTP/1.1\r\nHost: shop.localhost:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\nX-Request-Id: 0190\r\nVia: 1.1 proxycache\r\n\r\n"),
				Came: []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nServer: nginx\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n\r\n")},
		},
	}
	r.ResponseBody.Type = "application/json"
	return r
}

// withBody gives the response of an entry a body that fits into one chunk.
func withBody(e Entry, body []byte) Entry {
	sum := sha256.Sum256(body)
	e.Record.ResponseBody.Hash, e.Record.ResponseBody.Size, e.Record.ResponseBody.Kept = hex.EncodeToString(sum[:]), int64(len(body)), int64(len(body))
	e.Response = Content{Rest: body}
	return e
}

// BenchmarkSave measures one exchange in batches of 256: the whole cost of keeping it.
func BenchmarkSave(b *testing.B) {
	for _, c := range []struct {
		name string
		body func(seq int64) []byte
	}{
		{"no body", nil},
		{"1 KB body", func(seq int64) []byte {
			body := make([]byte, 1024)
			copy(body, fmt.Sprintf(`{"id":%d}`, seq))
			return body
		}},
		{"the same 1 KB body", func(int64) []byte { return make([]byte, 1024) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := open(b)
			var seq int64
			for b.Loop() {
				b.StopTimer()
				batch := &Batch{}
				for range 256 {
					seq++
					e := Entry{Record: exchange(seq)}
					if c.body != nil {
						e = withBody(e, c.body(seq))
					}
					batch.Entries = append(batch.Entries, e)
				}
				b.StartTimer()
				if err := s.Save(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(seq), "µs/exchange")
		})
	}
}
