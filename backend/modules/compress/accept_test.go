package compress

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

func TestTheClientsWeightsChooseTheCoding(t *testing.T) {
	order := []coding{codingZstd, codingBrotli, codingGzip}
	for _, c := range []struct {
		accept string
		want   coding
		plain  int16
	}{
		{"gzip, deflate, br, zstd", codingZstd, 1},
		{"gzip, deflate, br", codingBrotli, 1},
		{"gzip;q=0.9, br;q=0.8", codingGzip, 1},
		{"gzip;q=1.0, br;q=1.000", codingBrotli, 1},
		{"GZIP ; Q=0.5", codingGzip, 1},
		{"x-gzip", codingGzip, 1},
		{"*", codingZstd, 1},
		{"zstd;q=0, *", codingBrotli, 1},
		{"gzip;q=0", identity, 1},
		{"identity", identity, 1000},
		{"identity, gzip", codingGzip, 1000},
		{"gzip;q=0.5, identity", identity, 1000},
		{"gzip;q=0.5, identity;q=0.4", codingGzip, 400},
		{"identity;q=0", identity, 0},
		{"identity;q=0, gzip;q=0.001", codingGzip, 0},
		{"*;q=0", identity, 0},
		{"*;q=0, identity", identity, 1000},
		{"*;q=0, br", codingBrotli, 0},
		{"", identity, 1},
		{"compress, exi", identity, 1},
		{"gzip;q=2, br;q=0.5", codingBrotli, 1},
		{"gzip;q=, zstd;q=0.1234", identity, 1},
		{"gzip;q=.5", identity, 1},
		{"gzip;level=9;q=0.2, br;q=0.1", codingGzip, 1},
		{"gzip, gzip;q=0", codingGzip, 1},
		{",, ,gzip,", codingGzip, 1},
	} {
		w := weightsOf(fields("accept-encoding: " + c.accept))
		if got, _ := w.best(order); got != c.want || w.plain() != c.plain || !w.sent {
			t.Errorf("%q chooses %s with plain at %d, want %s and %d", c.accept, got, w.plain(), c.want, c.plain)
		}
	}
}

func TestSeveralFieldsAreOneList(t *testing.T) {
	w := weightsOf(fields("Accept-Encoding: gzip;q=0.5", "Accept: */*", "accept-encoding: br"))
	if w.of(codingGzip) != 500 || w.of(codingBrotli) != full || w.of(codingZstd) != 0 {
		t.Errorf("%+v", w)
	}
	if w := weightsOf(nil); w.sent || w.takes([]coding{codingGzip}) || w.plain() != 1 {
		t.Errorf("without a field: %+v", w)
	}
}

// reference is Accept-Encoding by a regular expression instead of by hand.
var reference = regexp.MustCompile(`^(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$`)

func referenceWeight(accept string, c coding) float64 {
	for _, member := range strings.Split(accept, ",") {
		parts := strings.Split(member, ";")
		if codingOf(strings.Trim(parts[0], " \t")) != c {
			continue
		}
		q, ok := 1.0, true
		for _, p := range parts[1:] {
			name, value, _ := strings.Cut(strings.Trim(p, " \t"), "=")
			if name == "q" || name == "Q" {
				q, _ = strconv.ParseFloat(strings.TrimSuffix(value, "."), 64)
				ok = reference.MatchString(value)
				break
			}
		}
		if ok {
			return q
		}
	}
	return -1
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, seed := range []string{"gzip, br;q=0.5", "*;q=0", "identity;q=0, *;q=0.1", "gzip;q=1.001", "zstd ; x=1 ; q=0.333,,", "gzip;q=0."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		w := weightsOf(flow.Header{{Name: "Accept-Encoding", Value: accept}})
		for c := range unknown {
			want := referenceWeight(accept, c)
			if want >= 0 {
				want *= full
			}
			if got := float64(w.said[c]); got < want-0.01 || got > want+0.01 {
				t.Errorf("%q gives %s %v, want %v", accept, c, got, want)
			}
		}
		best, q := w.best([]coding{codingGzip, codingBrotli})
		if best != identity && (q <= 0 || q > full || q < w.plain() || w.of(best) != q) {
			t.Errorf("%q chose %s with %d", accept, best, q)
		}
	})
}
