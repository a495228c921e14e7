package compress

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// undone sends an answer in codings to a client that takes none, and reads it.
func undone(t *testing.T, p *compressor, codings string, sent io.Reader) (flow.Header, []byte, error) {
	t.Helper()
	b := &body{Reader: sent}
	r, err := p.Apply(asks("GET"), gives(answer(b, -1, "Content-Type: text/css", "Content-Encoding: "+codings)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r.Body)
	if closing := r.Body.Close(); closing != nil || !b.closed.Load() {
		t.Errorf("closing: %v", closing)
	}
	if _, again := r.Body.Read(make([]byte, 1)); again != io.ErrClosedPipe {
		t.Errorf("reading what is closed: %v", again)
	}
	atRest(t, p)
	return r.Header, data, err
}

func TestAnswersAreUndoneForClientsThatCannot(t *testing.T) {
	p, data := policyOf(t, nil), page(300_000)
	for _, applied := range [][]string{{"gzip"}, {"br"}, {"zstd"}, {"deflate"}, {"gzip", "br"}, {"deflate", "zstd", "gzip"}} {
		sent := data
		for _, name := range applied {
			sent = coded(t, name, sent)
		}
		for range 2 { // the second takes the decoder of the first
			h, got, err := undone(t, p, strings.Join(applied, ", "), bytes.NewReader(sent))
			if err != nil || !bytes.Equal(got, data) || h.Has("Content-Encoding") {
				t.Errorf("%v: %d bytes of %d, %v, %v", applied, len(got), len(data), h, err)
			}
		}
	}
	if figure(p, "answers_total", "decompress") != 18 || figure(p, "seconds_total", "decompress") <= 0 {
		t.Errorf("%+v", p.State().Figures)
	}
}

func TestAClientGetsWhatItTakesInPlaceOfWhatItDoesNot(t *testing.T) {
	p, data := policyOf(t, nil), page(50_000)
	x := asks("GET", "Accept-Encoding: gzip")
	r, err := p.Apply(x, gives(answer(bodyOf(coded(t, "br", data)), -1, "Content-Type: text/css", "Content-Encoding: br")))
	if err != nil || r.Header.Joined("Content-Encoding") != "gzip" || fact(x, "undid") != "br" || fact(x, "coding") != "gzip" {
		t.Fatal(r, err)
	}
	if got := read(t, decode(t, "gzip", r.Body)); !bytes.Equal(got, data) {
		t.Errorf("%d bytes", len(got))
	}
	if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
	atRest(t, p)
}

// zeros are n bytes of nothing, which each coding makes very small.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func bomb(t *testing.T, name string, n int64) []byte {
	t.Helper()
	var out bytes.Buffer
	w := writer(t, name, &out)
	if _, err := io.Copy(w, zeros(n)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestABombBreaksOff(t *testing.T) {
	const large = 16 << 20
	for _, c := range []struct {
		name    string
		codings string
		sent    []byte
		values  map[string]any
		reason  string
		most    int // bytes that the client got
	}{
		{"br, ratio", "br", bomb(t, "br", large), nil, "ratio", 2 << 20},
		{"zstd, ratio", "zstd", bomb(t, "zstd", large), nil, "ratio", 6 << 20},
		{"gzip, ratio", "gzip", bomb(t, "gzip", large), map[string]any{"max_ratio": int64(100)}, "ratio", 2 << 20},
		{"size", "gzip", bomb(t, "gzip", large), map[string]any{"max_ratio": int64(1e6), "max_size": "3MiB"}, "size", 3 << 20},
		{"a bomb inside", "br, gzip", coded(t, "gzip", bomb(t, "br", large)), nil, "ratio", 2 << 20},
		{"a bomb outside", "gzip, br", bomb(t, "br", large), nil, "data", 0}, // the zeros are no gzip
	} {
		p := policyOf(t, c.values)
		_, got, err := undone(t, p, c.codings, bytes.NewReader(c.sent))
		if problem.KindOf(err) != problem.BadResponse || !strings.Contains(err.Error(), "shop.localhost") || !strings.Contains(err.Error(), "shop/compress") {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(got) > c.most || figure(p, "broken_total", c.reason) != 1 {
			t.Errorf("%s: %d bytes came, %v", c.name, len(got), p.State().Figures)
		}
	}
}

func TestWhatIsSmallIsNoBomb(t *testing.T) {
	p := policyOf(t, map[string]any{"max_ratio": int64(1)})
	_, got, err := undone(t, p, "br", bytes.NewReader(bomb(t, "br", unsuspected)))
	if err != nil || len(got) != unsuspected {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestAWindowLargerThanAClientMustHaveIsRefused(t *testing.T) {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithWindowSize(16<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(page(100_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil { // a frame that goes on tells its window
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, got, err := undone(t, policyOf(t, nil), "zstd", &out); problem.KindOf(err) != problem.BadResponse || len(got) > 0 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestWhatIsNoCodingIsSaid(t *testing.T) {
	whole := map[string][]byte{}
	for _, name := range []string{"gzip", "br", "zstd", "deflate"} {
		whole[name] = coded(t, name, page(100_000))
	}
	for _, c := range []struct {
		name, coding string
		sent         []byte
		says         string
	}{
		{"no gzip", "gzip", []byte("<html>not gzip at all</html>"), "it is no gzip any more"},
		{"no br", "br", []byte("<html>not br at all</html>"), "it is no br any more"},
		{"no zstd", "zstd", []byte("<html>not zstd at all</html>"), "it is no zstd any more"},
		{"cut gzip", "gzip", whole["gzip"][:len(whole["gzip"])-9], "its end is missing"},
		{"cut br", "br", whole["br"][:len(whole["br"])-3], "its end is missing"},
		{"cut zstd", "zstd", whole["zstd"][:len(whole["zstd"])-9], "its end is missing"},
		{"cut deflate", "deflate", whole["deflate"][:len(whole["deflate"])-9], "its end is missing"},
		{"one byte", "gzip", []byte{0x1f}, "its end is missing"},
	} {
		p := policyOf(t, nil)
		_, _, err := undone(t, p, c.coding, bytes.NewReader(c.sent))
		if problem.KindOf(err) != problem.BadResponse || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
		if figure(p, "broken_total", "data") != 1 {
			t.Errorf("%s: %+v", c.name, p.State().Figures)
		}
	}
	for name, sent := range whole {
		_, _, err := undone(t, policyOf(t, nil), name, io.MultiReader(bytes.NewReader(sent), strings.NewReader("surplus")))
		if problem.KindOf(err) != problem.BadResponse {
			t.Errorf("%s with more behind it: %v", name, err)
		}
		h, got, err := undone(t, policyOf(t, nil), name, strings.NewReader(""))
		if err != nil || len(got) > 0 || h.Has("Content-Encoding") {
			t.Errorf("%s of nothing: %q, %v", name, got, err)
		}
	}
}

func TestWhyTheServerBrokeOffGoesThroughTheDecoders(t *testing.T) {
	gone := errors.New("the server left")
	for _, codings := range [][]string{{"gzip"}, {"br"}, {"zstd"}, {"deflate"}, {"gzip", "br"}} {
		sent := page(100_000)
		for _, name := range codings {
			sent = coded(t, name, sent)
		}
		origin := feed()
		origin.pieces <- sent[:len(sent)/2]
		origin.err = gone
		close(origin.pieces)
		if _, _, err := undone(t, policyOf(t, nil), strings.Join(codings, ","), origin); !errors.Is(err, gone) {
			t.Errorf("%v: %v", codings, err)
		}
	}
}
