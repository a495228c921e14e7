package compress

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"proxycache/backend/flow"
)

// seen is what a client has read so far.
type seen struct {
	mu   sync.Mutex
	text strings.Builder
	err  error
}

func (s *seen) now() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.err
}

// follow reads from as a client does, in a goroutine of its own.
func follow(t *testing.T, coding string, from io.Reader) *seen {
	var s seen
	go func() {
		r := decode(t, coding, from)
		buf := make([]byte, 1<<10)
		for {
			n, err := r.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.err = err
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return &s
}

func TestWhatArrivesLeavesThoughTheBodyPauses(t *testing.T) {
	for _, coding := range []string{"zstd", "br", "gzip"} {
		for _, media := range []string{"text/event-stream", "application/x-ndjson"} {
			synctest.Test(t, func(t *testing.T) {
				p, origin := policyOf(t, nil), feed()
				r, err := p.Apply(asks("GET", "Accept-Encoding: "+coding), gives(answer(origin, -1, "Content-Type: "+media)))
				if err != nil || r.Header.Get("Content-Encoding") != coding {
					t.Fatal(r, err)
				}
				client := follow(t, coding, r.Body)
				want := ""
				for _, event := range []string{"data: 1\n\n", "data: two\n\n", strings.Repeat("data: long\n", 9000) + "\n", "x"} {
					origin.pieces <- []byte(event)
					want += event
					synctest.Wait()
					if got, err := client.now(); got != want || err != nil {
						t.Errorf("%s of %s: %d bytes came of %d, %v", coding, media, len(got), len(want), err)
					}
				}
				close(origin.pieces)
				synctest.Wait()
				if got, err := client.now(); got != want || err != io.EOF {
					t.Errorf("%s of %s: at the end %d bytes of %d, %v", coding, media, len(got), len(want), err)
				}
				if err := r.Body.Close(); err != nil {
					t.Error(err)
				}
				atRest(t, p)
			})
		}
	}
}

func TestWhatIsUndoneLeavesThoughTheBodyPauses(t *testing.T) {
	for _, c := range []struct{ from, to string }{{"zstd", ""}, {"br", ""}, {"gzip", ""}, {"deflate", ""}, {"br", "gzip"}, {"gzip", "zstd"}} {
		synctest.Test(t, func(t *testing.T) {
			p, origin := policyOf(t, nil), feed()
			r, err := p.Apply(asks("GET", "Accept-Encoding: "+c.to), gives(answer(origin, -1, "Content-Type: text/event-stream", "Content-Encoding: "+c.from)))
			if err != nil || r.Header.Joined("Content-Encoding") != c.to {
				t.Fatal(r, err)
			}
			client := follow(t, c.to, r.Body)
			var wire bytes.Buffer
			w := writer(t, c.from, &wire)
			want := ""
			for _, event := range []string{"data: 1\n\n", "data: two\n\n", strings.Repeat("data: long\n", 9000) + "\n", "x"} {
				if _, err := io.WriteString(w, event); err != nil {
					t.Fatal(err)
				}
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
				origin.pieces <- bytes.Clone(wire.Bytes())
				wire.Reset()
				want += event
				synctest.Wait()
				if got, err := client.now(); got != want || err != nil {
					t.Errorf("%s to %q: %d bytes came of %d, %v", c.from, c.to, len(got), len(want), err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			origin.pieces <- wire.Bytes()
			close(origin.pieces)
			synctest.Wait()
			if got, err := client.now(); got != want || err != io.EOF {
				t.Errorf("%s to %q: at the end %d bytes of %d, %v", c.from, c.to, len(got), len(want), err)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
			atRest(t, p)
		})
	}
}

func TestWhatIsThereTogetherIsCompressedTogether(t *testing.T) {
	p, origin := policyOf(t, map[string]any{"min_size": int64(0)}), feed()
	for range 3 {
		origin.pieces <- []byte("the same ")
	}
	r, err := p.Apply(asks("GET", "Accept-Encoding: gzip"), gives(answer(origin, -1, "Content-Type: text/plain")))
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1<<10)
	n, err := r.Body.Read(first)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 27)
	if _, err := io.ReadFull(decode(t, "gzip", bytes.NewReader(first[:n])), got); err != nil || string(got) != "the same the same the same " {
		t.Errorf("the first read holds %q, %v", got, err)
	}
	if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheLastBytesOfAToldLengthAreNotFlushedBeforeTheEnd(t *testing.T) {
	data := page(40_000)
	sizes := map[int64]int{}
	for _, length := range []int64{-1, int64(len(data))} {
		r, err := policyOf(t, nil).Apply(asks("GET", "Accept-Encoding: gzip"), gives(answer(deaf{bodyOf(data)}, length, "Content-Type: text/plain")))
		if err != nil {
			t.Fatal(err)
		}
		sent := read(t, r.Body)
		sizes[length] = len(sent)
		if got := read(t, decode(t, "gzip", bytes.NewReader(sent))); !bytes.Equal(got, data) {
			t.Errorf("%d bytes of %d came back", len(got), len(data))
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if sizes[40_000] >= sizes[-1] {
		t.Errorf("with the length told it takes %d bytes, without it %d", sizes[40_000], sizes[-1])
	}
}

func TestABodyOfUnknownLengthIsLookedAtWithoutWaiting(t *testing.T) {
	for _, c := range []struct {
		name   string
		pieces []string
		ends   bool
		coding string
		length int64
	}{
		{"all is there, and small", []string{"ab", "cd"}, true, "", 4},
		{"enough is there", []string{strings.Repeat("a", 600), strings.Repeat("b", 600)}, true, "zstd", -1},
		{"more may come", []string{"ab"}, false, "zstd", -1},
		{"nothing is there", nil, false, "zstd", -1},
	} {
		p, origin := policyOf(t, nil), feed()
		for _, piece := range c.pieces {
			origin.pieces <- []byte(piece)
		}
		given := answer(&ending{fed: origin, ends: c.ends}, -1, "Content-Type: text/plain", `ETag: "v"`)
		if c.ends {
			close(origin.pieces)
		}
		r, err := p.Apply(asks("GET", "Accept-Encoding: zstd"), gives(given))
		if err != nil || r.Header.Joined("Content-Encoding") != c.coding || r.ContentLength != c.length {
			t.Fatalf("%s: %v %v", c.name, r, err)
		}
		if !c.ends {
			close(origin.pieces)
		}
		if c.coding == "" && !flow.Ready(r.Body) {
			t.Errorf("%s: it does not say that it is ready", c.name)
		}
		if got := string(read(t, decode(t, c.coding, r.Body))); got != strings.Join(c.pieces, "") {
			t.Errorf("%s: %q", c.name, got)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
		atRest(t, p)
	}
}

// ending is a fed body that knows that its end is there, too.
type ending struct {
	*fed
	ends bool
}

func (e *ending) Ready() bool { return e.fed.Ready() || e.ends && !e.told }

func TestABodyThatBreaksOffGivesWhatCameAndWhy(t *testing.T) {
	broken := errors.New("the server left")
	for _, coding := range []string{"zstd", "br", "gzip"} {
		p, origin := policyOf(t, nil), feed()
		origin.pieces <- []byte("half of it")
		origin.err = broken
		close(origin.pieces)
		r, err := p.Apply(asks("GET", "Accept-Encoding: "+coding), gives(answer(origin, -1, "Content-Type: text/plain")))
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(decode(t, coding, r.Body))
		if string(data) != "half of it" || !errors.Is(err, broken) {
			t.Errorf("%s: %q, %v", coding, data, err)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.Body.Read(make([]byte, 1)); err != io.ErrClosedPipe {
			t.Errorf("%s: reading what is closed: %v", coding, err)
		}
		if flow.Ready(r.Body) {
			t.Errorf("%s: it is ready though it is closed", coding)
		}
		atRest(t, p)
	}
}
