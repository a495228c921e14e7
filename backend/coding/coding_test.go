package coding

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/molecule-man/go-brrr"

	"proxycache/backend/problem"
)

const text = "the same words, the same words, the same words"

func encode(t *testing.T, coding string, in []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zlib":
		w = zlib.NewWriter(&out)
	case "bare":
		w, err = flate.NewWriter(&out, flate.BestSpeed)
	case "br":
		w, err = brrr.NewWriter(&out, 6)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	default:
		t.Fatalf("the test knows no coding %q", coding)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCodingsAreUndone(t *testing.T) {
	for _, c := range []struct {
		encoding string
		applied  []string
	}{
		{"", nil},
		{"identity", nil},
		{"gzip", []string{"gzip"}},
		{"X-GZip", []string{"gzip"}},
		{"deflate", []string{"zlib"}},
		{"deflate", []string{"bare"}},
		{"br", []string{"br"}},
		{"zstd", []string{"zstd"}},
		{"gzip, br", []string{"gzip", "br"}},
		{"zstd,deflate , gzip", []string{"zstd", "zlib", "gzip"}},
	} {
		body := []byte(text)
		for _, coding := range c.applied {
			body = encode(t, coding, body)
		}
		r, err := Decode(bytes.NewReader(body), c.encoding)
		if err != nil {
			t.Errorf("%q: %v", c.encoding, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != text {
			t.Errorf("%q of %v gives %q, %v", c.encoding, c.applied, got, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%q: closing: %v", c.encoding, err)
		}
	}
}

func TestWhatCannotBeUndoneSaysWhy(t *testing.T) {
	for encoding, body := range map[string]string{
		"gzip":        "not gzip at all",
		"deflate":     "",
		"rot13":       text,
		"gzip, rot13": text,
	} {
		_, err := Decode(strings.NewReader(body), encoding)
		if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), encoding) {
			t.Errorf("%q of %q: %v", encoding, body, err)
		}
	}
}

func TestABodyThatBreaksOffIsAnErrorOfRead(t *testing.T) {
	for _, coding := range []string{"gzip", "br", "zstd"} {
		whole := encode(t, coding, []byte(strings.Repeat(text, 100)))
		r, err := Decode(bytes.NewReader(whole[:len(whole)-5]), coding)
		if err != nil {
			t.Errorf("%s: %v", coding, err)
			continue
		}
		if _, err := io.ReadAll(r); err == nil {
			t.Errorf("%s: the end is missing and nobody noticed", coding)
		}
		_ = r.Close()
	}
}

func TestABodyMayComeByteByByte(t *testing.T) {
	for coding, bodies := range map[string]int{"gzip": 10, "zstd": 10, "br": 200} { // br ends at any bit
		chance := rand.New(rand.NewPCG(1, 2))
		for size := range bodies {
			body := make([]byte, size*3)
			for i := range body {
				body[i] = text[chance.IntN(1+size%len(text))]
			}
			r, err := Decode(iotest.OneByteReader(bytes.NewReader(encode(t, coding, body))), coding)
			if err != nil {
				t.Fatalf("%s of %d bytes: %v", coding, len(body), err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%s of %d bytes: %d bytes came, %v", coding, len(body), len(got), err)
			}
			_ = r.Close()
		}
	}
}
