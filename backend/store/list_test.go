package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"proxycache/backend/filter"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func save(t testing.TB, s *Store, entries ...Entry) {
	t.Helper()
	if err := s.Save(&Batch{Entries: entries}); err != nil {
		t.Fatal(err)
	}
}

// fill saves exchanges 1 to n; every third answers 404.
func fill(t testing.TB, s *Store, n int64) {
	t.Helper()
	for seq := int64(1); seq <= n; seq++ {
		r := exchange(seq)
		if seq%3 == 0 {
			r.Status = 404
		}
		save(t, s, Entry{Record: r})
	}
}

func parse(t testing.TB, text string) filter.Expr {
	t.Helper()
	e, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func seqsOf(rows []flow.Row) []int64 {
	out := []int64{}
	for _, r := range rows {
		out = append(out, r.Seq)
	}
	return out
}

func TestAPageOfTheList(t *testing.T) {
	s := open(t)
	fill(t, s, 10)
	for _, c := range []struct {
		filter string
		q      Query
		want   []int64
	}{
		{"", Query{Limit: 3}, []int64{1, 2, 3}},
		{"", Query{After: 8, Limit: 5}, []int64{9, 10}},
		{"", Query{Skip: 8, Limit: 5}, []int64{9, 10}},
		{"", Query{After: 2, Skip: 3, Limit: 2}, []int64{6, 7}},
		{"", Query{After: 10, Limit: 5}, []int64{}},
		{"status = 404", Query{Limit: 5}, []int64{3, 6, 9}},
		{"status = 404", Query{After: 3, Skip: 1, Limit: 5}, []int64{9}},
		{"not status = 404 and items/1", Query{Limit: 5}, []int64{1, 10}},
	} {
		c.q.Filter = parse(t, c.filter)
		rows, err := s.Rows(c.q)
		if err != nil || !slices.Equal(seqsOf(rows), c.want) {
			t.Errorf("%q %+v: %v, %v, want %v", c.filter, c.q, seqsOf(rows), err, c.want)
		}
	}
}

func TestCounts(t *testing.T) {
	s := open(t)
	fill(t, s, 10)
	for _, c := range []struct {
		filter string
		after  int64
		want   int64
	}{{"", 0, 10}, {"", 4, 6}, {"status = 404", 0, 3}, {"status = 404", 3, 2}, {"nothing", 0, 0}} {
		n, err := s.CountAfter(parse(t, c.filter), c.after)
		if err != nil || n != c.want {
			t.Errorf("%q behind %d: %d, %v, want %d", c.filter, c.after, n, err, c.want)
		}
		if all, err := s.Count(parse(t, c.filter)); c.after == 0 && (err != nil || all != c.want) {
			t.Errorf("%q: %d, %v, want %d", c.filter, all, err, c.want)
		}
	}
	seqs, err := s.Seqs(parse(t, "status = 404"))
	if err != nil || !slices.Equal(seqs, []int64{3, 6, 9}) {
		t.Errorf("the numbers are %v, %v", seqs, err)
	}
}

// certificate is a self-signed one.
func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "shop.localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestARecordComesBackWhole(t *testing.T) {
	s := open(t)
	r := exchange(7)
	r.ReplayOf, r.Mocked, r.State = 3, true, flow.Errored
	r.Authority, r.Target = "Shop.LOCALHOST:8080", "/caf\xc3\xa9\x00?\xff"
	r.RequestTrailer = flow.Header{{Name: "X-Sum", Value: "1"}, {Name: "X-Sum", Value: "2"}}
	r.ResponseTrailer = flow.Header{{Name: "grpc-status", Value: "0"}}
	r.RequestBody = flow.Stored{Size: 12, Type: "text/plain", Encoding: "gzip"}
	cert := certificate(t)
	r.ClientConn.TLS = &flow.TLS{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "h2", SNI: "shop.localhost"}
	r.TargetConn.TLS = &flow.TLS{Version: "TLS 1.2", Chain: []*x509.Certificate{cert, cert}}
	r.Timing.DNSStart, r.Timing.TLSDone = 1, 2*time.Nanosecond
	r.Trail[0].Why, r.Trail[0].After = "when: host = x", 5*time.Second
	r.Trail[1].Response = &flow.Delta{Line: [2]string{"200", "503"}, Body: true, Header: []flow.FieldEdit{{Op: "set", Name: "Server", Was: "a", Now: "b"}}}
	r.Problem = &problem.Problem{Kind: problem.DNS, Where: "routes.shop", Message: "Resolving shop: no such host. Check the name.", Line: 3, Column: 9}
	save(t, s, withBody(Entry{Record: r}, []byte("the body")))
	got, err := s.Record(7)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Started.Equal(r.Started) {
		t.Errorf("started %v, want %v", got.Started, r.Started)
	}
	got.Started = r.Started
	if !reflect.DeepEqual(got, r) {
		t.Errorf("the record is\n%+v\nwant\n%+v", got, r)
	}
	rows, err := s.Rows(Query{Limit: 1})
	if err != nil || len(rows) != 1 || rows[0] != flow.RowOf(r) {
		t.Errorf("the row is\n%+v, %v\nwant\n%+v", rows, err, flow.RowOf(r))
	}
	if replays, err := s.Replays(3); err != nil || !slices.Equal(replays, []int64{7}) {
		t.Errorf("the replays of #3 are %v, %v", replays, err)
	}
	if replays, err := s.Replays(0); err != nil || len(replays) != 0 {
		t.Errorf("the replays of nothing are %v, %v", replays, err)
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	s := open(t)
	if _, err := s.Record(1); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a record that is not there: %v", err)
	}
	for _, hash := range []string{"", "zz", strings.Repeat("00", sha256.Size)} {
		if _, err := s.Body(hash); problem.KindOf(err) != problem.NotFound {
			t.Errorf("a body %q that is not there: %v", hash, err)
		}
	}
	if err := s.Undo(1); problem.KindOf(err) != problem.NotFound {
		t.Errorf("undoing what was not done: %v", err)
	}
}
