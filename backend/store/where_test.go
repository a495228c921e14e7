package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"proxycache/backend/filter"
	"proxycache/backend/flow"
)

// pieces make up the texts of records and the values of filters: what SQLite and Go could see
// differently is among them.
var pieces = []string{
	"", "a", "A", "k", "K", "s", "S", "GET", "get", "shop", "SHOP.localhost", "json", "/v1/", "?", "=", "%", "_", "*", "'", `"`, `\`, ":", "8080", "0", "5", "200",
	"\u212a" /* Kelvin, folds to k */, "\u017f" /* long s */, "é", "É", "ß", "\x00", "\xff", "\xc3", "日", " ", "\n", ".", "true",
}

func text() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 4).Draw(t, "pieces"), "")
	})
}

func head() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		b := []byte("GET / HTTP/1.1\r\n")
		for range rapid.IntRange(0, 3).Draw(t, "fields") {
			b = fmt.Appendf(b, "%s: %s\r\n", rapid.SampledFrom([]string{"X-A", "x-a", "Via"}).Draw(t, "name"), text().Draw(t, "value"))
		}
		return append(b, "\r\n"...)
	})
}

func anyRecord() *rapid.Generator[*flow.Record] {
	return rapid.Custom(func(t *rapid.T) *flow.Record {
		r := &flow.Record{
			Started: time.Unix(1_700_000_000, 0),
			Method:  text().Draw(t, "method"), Scheme: text().Draw(t, "scheme"), Authority: text().Draw(t, "authority"), Target: text().Draw(t, "target"),
			Door: flow.Door(text().Draw(t, "door")), Route: text().Draw(t, "route"), Client: text().Draw(t, "client"),
			State:  rapid.SampledFrom([]flow.State{flow.Done, flow.Aborted, flow.Errored}).Draw(t, "state"),
			Status: rapid.SampledFrom([]int{0, 101, 200, 204, 299, 404, 500, 599, 600}).Draw(t, "status"), Mocked: rapid.Bool().Draw(t, "mocked"),
			RequestHead: head().Draw(t, "request head"), ResponseHead: head().Draw(t, "response head"),
		}
		r.ResponseBody.Type = rapid.SampledFrom([]string{"", "application/json", "text/html", "image/\u212a", "x/y+É"}).Draw(t, "type")
		r.RequestBody.Size = rapid.SampledFrom([]int64{0, 1, 1000, 1024, 1 << 53}).Draw(t, "request size")
		r.ResponseBody.Size = rapid.SampledFrom([]int64{0, 5, 50, 2048}).Draw(t, "size")
		r.Timing.Done = time.Duration(rapid.SampledFrom([]int64{0, 1, 999, 1000, 1001, 250_000, 333_333, 1_500_000}).Draw(t, "micros")) * time.Microsecond
		return r
	})
}

// anyFilter writes a filter, so that it is one that the parser gives.
func anyFilter() *rapid.Generator[filter.Expr] {
	return rapid.Custom(func(t *rapid.T) filter.Expr {
		e := anyTest(t)
		for range rapid.IntRange(0, 3).Draw(t, "more") {
			switch rapid.IntRange(0, 2).Draw(t, "join") {
			case 0:
				e = filter.And{L: e, R: anyTest(t)}
			case 1:
				e = filter.Or{L: anyTest(t), R: e}
			default:
				e = filter.Not{X: e}
			}
		}
		return e
	})
}

var (
	textFields = []string{"method", "scheme", "host", "path", "query", "url", "type", "door", "route", "client", "state", "request.header.x-a", "response.header.via"}
	numbersOf  = []string{"status", "duration", "request.size", "size"}
	compares   = []string{"=", "!=", "<", "<=", ">", ">="}
	searches   = []string{"^=", "$=", "*="}
)

func anyTest(t *rapid.T) filter.Expr {
	quoted := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	value := func() string { return quoted(text().Draw(t, "value")) }
	regex := func() string {
		return quoted(rapid.SampledFrom([]string{"", "^a", "k$", "s+", "[0-9]", ".", `\?`, "(?-i)A", "é", `\x00`, "^$"}).Draw(t, "regexp"))
	}
	number := func() string {
		return rapid.SampledFrom([]string{"0", "1", "5", "200", "250", "500", "1000", "1024", "333.333"}).Draw(t, "number")
	}
	var line string
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0, 1:
		line = rapid.SampledFrom(textFields).Draw(t, "field") + " " + rapid.SampledFrom(slices.Concat(compares, searches)).Draw(t, "op") + " " + value()
	case 2:
		line = rapid.SampledFrom(textFields).Draw(t, "field") + " in (" + value() + ", " + value() + ")"
	case 3:
		line = rapid.SampledFrom(slices.Concat(textFields, numbersOf, []string{"mocked"})).Draw(t, "field") + " ~ " + regex()
	case 4:
		field := rapid.SampledFrom(numbersOf).Draw(t, "field")
		n := number()
		if field == "status" {
			n = rapid.SampledFrom([]string{"200", "404", "0", "599"}).Draw(t, "status")
		}
		line = field + " " + rapid.SampledFrom(slices.Concat(compares, searches)).Draw(t, "op") + " " + n
	default:
		line = rapid.SampledFrom([]string{
			"status = 2xx", "status != 5xx", "status in (1xx, 404)", "mocked = true", "mocked != true", "mocked in (false)", "mocked ^= true", "mocked *= true", "mocked $= false",
			"duration in (1, 250ms)", "size in (5, 2KiB)", "duration ^= 333.3", "duration $= 5", "request.size *= 9007199254740992",
		}).Draw(t, "fixed")
	}
	e, err := filter.Parse(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return e
}

func TestTheStoreFindsWhatTheFilterMatches(t *testing.T) {
	s := open(t)
	seq := int64(0)
	rapid.Check(t, func(t *rapid.T) {
		records := map[int64]*flow.Record{}
		batch := &Batch{}
		first := seq
		for _, r := range rapid.SliceOfN(anyRecord(), 1, 6).Draw(t, "records") {
			seq++
			r.Seq = seq
			records[seq] = r
			batch.Entries = append(batch.Entries, Entry{Record: r})
		}
		if err := s.Save(batch); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			e := anyFilter().Draw(t, "filter")
			rows, err := s.Rows(Query{Filter: e, After: first, Limit: 100})
			if err != nil {
				t.Fatalf("%s: %v", filter.Format(e), err)
			}
			got := seqsOf(rows)
			want := []int64{}
			for n := first + 1; n <= seq; n++ {
				if filter.Match(e, records[n]) {
					want = append(want, n)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s finds %v, the filter matches %v", filter.Format(e), got, want)
			}
		}
	})
	count := 0
	s.tests.Range(func(any, any) bool { count++; return true })
	if count != 0 {
		t.Errorf("%d conditions are left behind their queries", count)
	}
}

func TestACommonFilterIsDecidedBySQLiteAlone(t *testing.T) {
	s := open(t)
	for _, line := range []string{"checkout", "status >= 500", "host = shop.localhost", "method in (GET, HEAD)", "path ^= /v1/", "type = json and not route = shop", "duration > 1s"} {
		w, err := s.where(parse(t, line))
		if err != nil {
			t.Fatal(err)
		}
		if text := w.clause(); strings.Contains(text, "holds(") && !strings.Contains(text, "CASE WHEN flags & 2 THEN holds(") {
			t.Errorf("%s calls into Go for each row: %s", line, text)
		}
		w.end()
	}
}
