package http1

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"

	"proxycache/backend/flow"
)

// quick bounds the seeds: longer ones test the limits, and slow the search down.
const quick = 1 << 10

func FuzzParseRequest(f *testing.F) {
	for _, c := range tolerated {
		f.Add([]byte(c.text))
	}
	for _, c := range requestCases {
		f.Add([]byte(c.text))
	}
	for _, c := range refusedRequests {
		if len(c.text) < quick {
			f.Add([]byte(c.text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		agreeOnRequest(t, text)
		agreeLeniently(t, text, exchange{})
	})
}

// agreeOnRequest holds the parser against the reference, its own prefixes, the Reader and the printer.
func agreeOnRequest(t *testing.T, text []byte) {
	t.Helper()
	want, ok := refRequest(text)
	h, n, err := ParseRequest(text, Limits{})
	if ok != (err == nil && n > 0) {
		t.Fatalf("%q: the grammar says %v, the parser took %d bytes and says %v", text, ok, n, err)
	}
	if !ok {
		onlyErrors(t, text, err, 400, 414, 431, 501, 505)
		return
	}
	got := refOf(h, n)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\n got %+v\nwant %+v", text, got, want)
	}
	for i := range min(n, quick) {
		if _, took, err := ParseRequest(text[:i], Limits{}); took != 0 || err != nil {
			t.Fatalf("cut to %q: took %d bytes, %v", text[:i], took, err)
		}
	}
	r := NewReader(iotest.OneByteReader(bytes.NewReader(text)), Limits{})
	slow, err := r.ReadRequest()
	if err != nil || !reflect.DeepEqual(slow, h) {
		t.Fatalf("%q byte by byte: %+v, %v", text, slow, err)
	}
	printed := AppendRequest(nil, h.Method, h.Target, h.Proto, h.Header)
	again, n, err := ParseRequest(printed, Limits{Head: 2 * DefaultLimits.Head})
	if err != nil {
		t.Fatalf("%q was printed as %q: %v", text, printed, err)
	}
	got.n = n
	if !reflect.DeepEqual(refOf(again, n), got) || n != len(printed) {
		t.Fatalf("%q was printed as %q, read as %+v", text, printed, again)
	}
}

// onlyErrors wants no error, or one with a status among those given.
func onlyErrors(t *testing.T, text []byte, err error, statuses ...int) {
	t.Helper()
	if err == nil {
		return
	}
	if e, ok := errors.AsType[*Error](err); ok {
		for _, s := range statuses {
			if e.Status == s {
				return
			}
		}
	}
	t.Fatalf("%q: the error is %#v", text, err)
}

var methods = []string{"GET", "HEAD", "CONNECT"}

func FuzzParseResponse(f *testing.F) {
	for i := range methods {
		for _, c := range responseCases {
			f.Add([]byte(c.text), byte(i))
		}
		for _, c := range tolerated {
			f.Add([]byte(c.text), byte(i))
		}
		for _, c := range refusedResponses {
			if len(c.text) < quick {
				f.Add([]byte(c.text), byte(i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, method byte) {
		agreeOnResponse(t, text, methods[int(method)%len(methods)])
		agreeLeniently(t, text, exchange{answered: true, method: methods[int(method)%len(methods)]})
	})
}

func agreeOnResponse(t *testing.T, text []byte, method string) {
	t.Helper()
	want, ok := refResponse(text, method)
	h, n, err := ParseResponse(text, method, Limits{})
	if ok != (err == nil && n > 0) {
		t.Fatalf("%q: the grammar says %v, the parser took %d bytes and says %v", text, ok, n, err)
	}
	if !ok {
		onlyErrors(t, text, err, 502)
		return
	}
	got := refOf(h, n)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\n got %+v\nwant %+v", text, got, want)
	}
	for i := range min(n, quick) {
		if _, took, err := ParseResponse(text[:i], method, Limits{}); took != 0 || err != nil {
			t.Fatalf("cut to %q: took %d bytes, %v", text[:i], took, err)
		}
	}
	r := NewReader(iotest.OneByteReader(bytes.NewReader(text)), Limits{})
	slow, err := r.ReadResponse(method)
	if err != nil || !reflect.DeepEqual(slow, h) {
		t.Fatalf("%q byte by byte: %+v, %v", text, slow, err)
	}
	if h.Reason == "" { // printed as the registry's
		return
	}
	printed := AppendResponse(nil, h.Proto, h.Status, h.Reason, h.Header)
	again, n, err := ParseResponse(printed, method, Limits{Head: 2 * DefaultLimits.Head})
	if err != nil {
		t.Fatalf("%q was printed as %q: %v", text, printed, err)
	}
	got.n = n
	if !reflect.DeepEqual(refOf(again, n), got) || n != len(printed) {
		t.Fatalf("%q was printed as %q, read as %+v", text, printed, again)
	}
}

func FuzzChunked(f *testing.F) {
	for _, c := range chunkedCases {
		f.Add([]byte(c.text), byte(1), byte(1))
		f.Add([]byte(c.text), byte(0), byte(0))
	}
	for _, c := range refusedChunks {
		if len(c.text) < quick {
			f.Add([]byte(c.text), byte(3), byte(2))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, arriving, asking byte) {
		agreeOnChunked(t, text, int(arriving), int(asking))
	})
}

// steps reads at most n bytes at once; 0 is no limit.
type steps struct {
	r io.Reader
	n int
}

func (s steps) Read(p []byte) (int, error) {
	if s.n > 0 && len(p) > s.n {
		p = p[:s.n]
	}
	return s.r.Read(p)
}

// agreeOnChunked decodes text in two ways, in pieces of the sizes given, and by the reference.
func agreeOnChunked(t *testing.T, text []byte, arriving, asking int) {
	t.Helper()
	want, trailer, rest, v := refChunked(text)
	for _, way := range []func(*Body, io.Writer) (int64, error){
		func(b *Body, w io.Writer) (int64, error) { return io.Copy(w, b) },
		func(b *Body, w io.Writer) (int64, error) {
			return io.Copy(struct{ io.Writer }{w}, steps{struct{ io.Reader }{b}, asking})
		},
	} {
		r := NewReader(steps{bytes.NewReader(text), arriving}, Limits{})
		b := r.Body(&Head{Length: Chunked})
		var got bytes.Buffer
		_, err := way(b, &got)
		if !bytes.HasPrefix(want, got.Bytes()) || v == accepted && got.Len() != len(want) {
			t.Fatalf("%q: the body is %q, want %q", text, got.Bytes(), want)
		}
		if b.Done() != (v == accepted) || b.Done() != (err == nil) {
			t.Fatalf("%q: done is %v, the error %v, the verdict %v", text, b.Done(), err, v)
		}
		switch v {
		case accepted:
			left, err := io.ReadAll(io.MultiReader(bytes.NewReader(bytes.Clone(r.Buffered())), r.from))
			if err != nil || !bytes.Equal(left, rest) || !sameFields(b.Trailer(), trailer) {
				t.Fatalf("%q: left %q, want %q; trailer %v, want %v", text, left, rest, b.Trailer(), trailer)
			}
		case refused:
			onlyErrors(t, text, err, 400, 431)
		case incomplete:
			if err != io.ErrUnexpectedEOF {
				onlyErrors(t, text, err, 400, 431)
			}
		}
		r.Release()
	}
}

func sameFields(a, b flow.Header) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}
