package retry

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestABodyIsSentAgain(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	for _, c := range []struct {
		name    string
		body    string
		first   answer
		chunked bool
		calls   int
	}{
		{"all of it was read", long, answer{status: 503, sent: true, reads: -1}, false, 2},
		{"some of it was read", long, answer{status: 503, sent: true, reads: 7}, false, 2},
		{"none was read", long, answer{status: 503, sent: true}, false, 2},
		{"its length was not known", long, answer{status: 503, sent: true, reads: -1}, true, 2},
		{"more than is kept was read", long + long, answer{status: 503, sent: true, reads: -1}, false, 1},
		{"more than is kept was read, of a length not known", long + long, answer{status: 503, sent: true, reads: -1}, true, 1},
		{"none of a long one was read", long + long, fails(problem.Refused, false), false, 2},
		{"a little of a long one was read", long + long, answer{status: 503, sent: true, reads: 1}, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policyOf(t, map[string]any{"body_cap": "300"})
				s := &server{answers: []answer{c.first, ok()}}
				x := exchange(t.Context(), "PUT", c.body)
				if c.chunked {
					x.Request.ContentLength = -1
				}
				closes := &closing{Reader: x.Request.Body}
				x.Request.Body = closes
				r, err := p.Apply(x, s.next)
				if err != nil || s.calls != c.calls {
					t.Fatalf("%d calls, %v %v: %v", s.calls, r, err, x.Trail[0].Facts)
				}
				if c.calls == 2 && s.bodies[1] != c.body {
					t.Errorf("%d bytes came the second time", len(s.bodies[1]))
				}
				if c.calls == 1 && (r.Status != 503 || !strings.Contains(fact(x, "not repeated"), "300 bytes")) {
					t.Errorf("%d, %v", r.Status, x.Trail[0].Facts)
				}
				if closes.n != 0 {
					t.Error("the client's body was closed by us")
				}
				if _ = x.Request.Body.Close(); closes.n != 1 {
					t.Error("closing the request's body does not reach the client's")
				}
			})
		})
	}
}

type closing struct {
	io.Reader
	n int
}

func (c *closing) Close() error { c.n++; return nil }

// TestAReaderOfTheAttemptBeforeTakesNothing has the first attempt go on reading when the second runs,
// as a connection does that is still sending.
func TestAReaderOfTheAttemptBeforeTakesNothing(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			from, to := io.Pipe()
			x := exchange(t.Context(), "PUT", "")
			x.Request.Body, x.Request.ContentLength = from, -1
			p := policyOf(t, map[string]any{"body_cap": "1000", "back_off_base": "1ms"})
			var reading sync.WaitGroup
			calls, got := 0, ""
			go func() {
				for range 10 {
					time.Sleep(100 * time.Microsecond)
					_, _ = io.WriteString(to, "0123456789")
				}
				_ = to.Close()
			}()
			r, err := p.Apply(x, func(x *flow.Exchange) (*flow.Response, error) {
				request := x.Request
				if calls++; calls == 1 {
					reading.Go(func() {
						buf := make([]byte, 7)
						for {
							if _, err := request.Body.Read(buf); err != nil {
								if !errors.Is(err, errAttemptOver) && err != io.EOF {
									t.Error(err)
								}
								return
							}
						}
					})
					time.Sleep(350 * time.Microsecond)
					return nil, problem.New(problem.Terminated, "reset")
				}
				body, err := io.ReadAll(request.Body)
				got = string(body)
				if err != nil {
					return nil, err
				}
				return flow.NewResponse(200, "", nil), nil
			})
			reading.Wait()
			if err != nil || r.Status != 200 || got != strings.Repeat("0123456789", 10) {
				t.Errorf("%v %v %q", r, err, got)
			}
		})
	}
}

func TestABodyThatIsBeingReadBeyondTheCapIsNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		r := newReplay(&flow.Request{Body: from, ContentLength: -1}, 4)
		v, _ := r.view(new(flow.Request))
		var got []byte
		var reading sync.WaitGroup
		reading.Go(func() { got, _ = io.ReadAll(v) })
		_, _ = io.WriteString(to, "0123")
		synctest.Wait() // it waits for what is not kept
		if r.takeBack([]*view{v}) {
			t.Error("what it gets now is lost")
		}
		_, _ = io.WriteString(to, "45")
		_ = to.Close()
		reading.Wait()
		if string(got) != "012345" {
			t.Errorf("the reader has %q", got)
		}
	})
}

func TestATrailerComesWithEachAttempt(t *testing.T) {
	source := &flow.Request{ContentLength: -1}
	source.Body = &trailing{Reader: strings.NewReader("body"), of: source}
	r := newReplay(source, 100)
	for range 2 {
		request := *source
		request.Trailer = nil
		v, ok := r.view(&request)
		if !ok {
			t.Fatal("no view")
		}
		if body, err := io.ReadAll(v); string(body) != "body" || err != nil || request.Trailer.Get("Digest") != "x" {
			t.Errorf("%q %v %v", body, err, request.Trailer)
		}
		if !v.Ready() || v.Same() != source.Body {
			t.Error("what is kept is there at once")
		}
	}
}

type trailing struct {
	io.Reader
	of *flow.Request
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.of.Trailer = flow.Header{{Name: "Digest", Value: "x"}}
	}
	return n, err
}
func (*trailing) Close() error { return nil }

func TestAClientThatFailsFailsForAll(t *testing.T) {
	gone := problem.New(problem.ClientLeft, "gone")
	source := &flow.Request{ContentLength: 10, Body: io.NopCloser(io.MultiReader(strings.NewReader("abc"), failing{gone}))}
	r := newReplay(source, 100)
	for range 2 {
		request := *source
		v, _ := r.view(&request)
		if body, err := io.ReadAll(v); string(body) != "abc" || err != error(gone) {
			t.Errorf("%q %v", body, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestViewsReadTheSame has several views read in turns, some given up, and holds each to what the
// client sent.
func TestViewsReadTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "sent")
		most := rapid.Int64Range(0, 250).Draw(t, "kept")
		source := &flow.Request{Body: io.NopCloser(&bits{bytes.NewReader(sent), rapid.IntRange(1, 40).Draw(t, "piece")}), ContentLength: -1}
		if rapid.Bool().Draw(t, "length known") {
			source.ContentLength = int64(len(sent))
		}
		r := newReplay(source, most)
		type reader struct {
			v   *view
			got []byte
		}
		var views []*reader
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			if len(views) == 0 || rapid.IntRange(0, 9).Draw(t, "what") == 0 {
				old := make([]*view, len(views))
				for i := range views {
					old[i] = views[i].v
				}
				if len(views) > 0 && !r.takeBack(old) {
					continue
				}
				v, ok := r.view(new(flow.Request))
				if !ok {
					t.Fatal("a body that was taken back has no view")
				}
				views = append(views, &reader{v: v})
				continue
			}
			one := views[rapid.IntRange(0, len(views)-1).Draw(t, "who")]
			buf := make([]byte, rapid.IntRange(0, 50).Draw(t, "room"))
			n, err := one.v.Read(buf)
			one.got = append(one.got, buf[:n]...)
			switch {
			case !bytes.HasPrefix(sent, one.got):
				t.Fatalf("a view has %q of %q", one.got, sent)
			case err == io.EOF && !bytes.Equal(sent, one.got):
				t.Fatalf("a view ends behind %d of %d bytes", len(one.got), len(sent))
			case one != views[len(views)-1] && !errors.Is(err, errAttemptOver):
				t.Fatalf("a view that was given up reads: %v", err)
			case one == views[len(views)-1] && err != nil && err != io.EOF:
				t.Fatal(err)
			}
			if int64(len(r.kept)) > most {
				t.Fatalf("%d bytes are kept, %d may be", len(r.kept), most)
			}
		}
	})
}

// bits gives a few bytes at a time.
type bits struct {
	from  *bytes.Reader
	piece int
}

func (b *bits) Read(p []byte) (int, error) { return b.from.Read(p[:min(len(p), b.piece)]) }
