package compress

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"proxycache/backend/policy"
	"proxycache/backend/schema"
)

// some is a body that is in parts a text and in parts chance.
func some(t *rapid.T) []byte {
	var data []byte
	for range rapid.IntRange(0, 6).Draw(t, "parts") {
		n := rapid.IntRange(0, 70_000).Draw(t, "size")
		if rapid.Bool().Draw(t, "text") {
			data = append(data, page(n)...)
			continue
		}
		chance := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range n {
			data = append(data, byte(chance.Uint32()))
		}
	}
	return data
}

// cut is data in pieces of any size, as a server may send it.
func cut(t *rapid.T, data []byte) *fed {
	f := feed()
	f.pieces = make(chan []byte, len(data)+1)
	for len(data) > 0 {
		n := min(len(data), rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, 100_000)).Draw(t, "piece"))
		if len(f.pieces) > 100 { // enough small ones
			n = len(data)
		}
		f.pieces <- data[:n]
		data = data[n:]
	}
	close(f.pieces)
	return f
}

// deaf is a body that never says whether more is there.
type deaf struct{ io.ReadCloser }

func TestEveryBodyComesBackAsItWas(t *testing.T) {
	kept := map[string]*compressor{}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"gzip", "br", "zstd"}).Draw(t, "coding")
		level := rapid.SampledFrom([]string{"fastest", "default", "best"}).Draw(t, "level")
		window := rapid.SampledFrom([]string{"64KiB", "1MiB", "8MiB"}).Draw(t, "window")
		p := kept[level+window]
		if p == nil {
			p = policyOf(t, map[string]any{"level": level, "window": window})
			kept[level+window] = p
		}
		data := some(t)
		var origin io.ReadCloser = cut(t, data)
		if rapid.Bool().Draw(t, "deaf") {
			origin = deaf{origin}
		}
		length := int64(-1)
		if rapid.Bool().Draw(t, "length told") {
			length = int64(len(data))
		}
		r, err := p.Apply(asks("GET", "Accept-Encoding: "+name), gives(answer(origin, length, "Content-Type: text/plain")))
		if err != nil {
			t.Fatal(err)
		}
		var from io.Reader = r.Body
		if rapid.Bool().Draw(t, "bytewise") && len(data) < 10_000 {
			from = iotest.OneByteReader(from)
		}
		if got := read(t, decode(t, r.Header.Get("Content-Encoding"), from)); !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came back, %d were sent", len(got), len(data))
		}
		if err := r.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if n := p.figures.running.Load(); n != 0 {
			t.Fatalf("%d streams are still counted", n)
		}
	})
}

func TestEveryCodingIsUndone(t *testing.T) {
	p := policyOf(t, map[string]any{"max_ratio": int64(1e6)})
	rapid.Check(t, func(t *rapid.T) {
		data := some(t)
		applied := rapid.SliceOfN(rapid.SampledFrom([]string{"gzip", "br", "zstd", "deflate"}), 1, maxCodings).Draw(t, "codings")
		sent := data
		for _, name := range applied {
			sent = coded(t, name, sent)
		}
		to := rapid.SampledFrom([]string{"identity", "gzip", "br", "zstd"}).Draw(t, "to")
		x := asks("GET", "Accept-Encoding: "+to)
		r, err := p.Apply(x, gives(answer(cut(t, sent), -1, "Content-Type: text/plain", "Content-Encoding: "+strings.Join(applied, ", "))))
		if err != nil {
			t.Fatal(err)
		}
		var from io.Reader = r.Body
		for i, codings := 0, strings.Split(r.Header.Joined("Content-Encoding"), ", "); i < len(codings); i++ {
			from = decode(t, codings[len(codings)-1-i], from)
		}
		if got := read(t, from); !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came back, %d were sent", len(got), len(data))
		}
		if err := r.Body.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzUndo sends anything as each coding: it ends with the bytes or a reason, and within its bounds.
func FuzzUndo(f *testing.F) {
	for i, name := range []string{"gzip", "br", "zstd", "deflate"} {
		f.Add(uint8(i), coded(f, name, page(3000)))
		f.Add(uint8(i), []byte{0})
	}
	s := new(Settings)
	if problems := schema.Decode("", map[string]any{"max_size": "8MiB"}, s); len(problems) > 0 {
		f.Fatal(problems)
	}
	running, err := s.Policy(policy.NewEnv("shop/compress", nil, nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which uint8, sent []byte) {
		name := coding(which % uint8(known)).String()
		r, err := running.Apply(asks("GET"), gives(answer(bodyOf(sent), -1, "Content-Type: text/css", "Content-Encoding: "+name)))
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := io.Copy(io.Discard, r.Body); n > 8<<20 {
			t.Errorf("%d bytes came", n)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheToolsOfTheSystemReadIt(t *testing.T) {
	for _, c := range []struct{ tool, coding string }{{"gzip", "gzip"}, {"zstd", "zstd"}, {"brotli", "br"}} {
		t.Run(c.tool, func(t *testing.T) {
			path, err := exec.LookPath(c.tool)
			if err != nil {
				t.Skipf("%s is not installed here", c.tool)
			}
			p, data := policyOf(t, nil), page(700_000)
			r, err := p.Apply(asks("GET", "Accept-Encoding: "+c.coding), gives(answer(bodyOf(data), int64(len(data)), "Content-Type: text/css")))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path, "-dc")
			cmd.Stdin = r.Body
			got, err := cmd.Output()
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCurlReadsWhatItAsksFor(t *testing.T) {
	path, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed here")
	}
	features, err := exec.Command(path, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	p, data := policyOf(t, nil), page(300_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r, err := p.Apply(asks("GET", "Accept-Encoding: "+q.Header.Get("Accept-Encoding")), gives(answer(bodyOf(data), int64(len(data)), "Content-Type: text/css")))
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Body.Close()
		for _, f := range r.Header {
			w.Header().Add(f.Name, f.Value)
		}
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	for coding, feature := range map[string]string{"gzip": "libz", "br": "brotli", "zstd": "zstd"} {
		t.Run(coding, func(t *testing.T) {
			if !bytes.Contains(features, []byte(feature)) {
				t.Skipf("this curl has no %s", feature)
			}
			got, err := exec.Command(path, "-sS", "--compressed", "-H", "Accept-Encoding: "+coding, "-w", "%{size_download}", server.URL).Output()
			if err != nil {
				t.Fatal(err)
			}
			rest, ok := bytes.CutPrefix(got, data)
			size, err := strconv.Atoi(string(rest))
			if !ok || err != nil || size >= len(data)/10 {
				t.Errorf("%d bytes and behind them %.40q, %v", len(got), rest, err)
			}
		})
	}
}
