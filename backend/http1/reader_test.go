package http1

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// message is one of a conversation, as it was read.
type message struct{ line, body, trailer string }

const conversation = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" +
	"\r\n" + // an old client's extra line end
	"PUT /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nwor\r\n2\r\nld\r\n0\r\nX-Sum: 7\r\n\r\n" +
	"GET /c HTTP/1.1\r\nHost: a\r\n\r\n"

var conversed = []message{{"POST /a", "hello", ""}, {"PUT /b", "world", "7"}, {"GET /c", "", ""}}

// converse reads requests with their bodies until an error.
func converse(r *Reader) (got []message, err error) {
	for {
		h, err := r.ReadRequest()
		if err != nil {
			return got, err
		}
		b := r.Body(h)
		text, err := io.ReadAll(b)
		if err != nil {
			return got, err
		}
		got = append(got, message{h.Method + " " + h.Target, string(text), b.Trailer().Get("X-Sum")})
	}
}

func TestRequestsFollowOneAnother(t *testing.T) {
	for name, from := range map[string]io.Reader{
		"at once":                  strings.NewReader(conversation),
		"byte by byte":             iotest.OneByteReader(strings.NewReader(conversation)),
		"by halves":                iotest.HalfReader(strings.NewReader(conversation)),
		"the end with the data":    iotest.DataErrReader(strings.NewReader(conversation)),
		"an empty line at the end": strings.NewReader(conversation + "\r\n"),
	} {
		got, err := converse(NewReader(from, Limits{}))
		if err != io.EOF || !slices.Equal(got, conversed) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestAConversationSplitAnywhereIsTheSame(t *testing.T) {
	for i := 1; i < len(conversation); i++ {
		from, to := io.Pipe()
		go func() {
			_, _ = to.Write([]byte(conversation[:i]))
			_, _ = to.Write([]byte(conversation[i:]))
			_ = to.Close()
		}()
		got, err := converse(NewReader(from, Limits{}))
		if err != io.EOF || !slices.Equal(got, conversed) {
			t.Errorf("split after %q: %v, %v", conversation[:i], got, err)
		}
	}
}

func TestAConversationCutAnywhereIsNeverComplete(t *testing.T) {
	clean := map[int]int{0: 0} // bytes after which a message has just ended, and the messages till there
	first := strings.Index(conversation, "\r\nPUT")
	clean[first], clean[first+2] = 1, 1
	clean[strings.Index(conversation, "GET")] = 2
	for i := range len(conversation) {
		got, err := converse(NewReader(strings.NewReader(conversation[:i]), Limits{}))
		if n, ok := clean[i]; ok {
			if err != io.EOF || !slices.Equal(got, conversed[:n]) {
				t.Errorf("cut between messages, after %d bytes: %v, %v", i, got, err)
			}
			continue
		}
		if err != io.ErrUnexpectedEOF || !slices.Equal(got, conversed[:len(got)]) {
			t.Errorf("cut to %q: %v, %v", conversation[:i], got, err)
		}
	}
}

func TestResponsesFollowInterimOnes(t *testing.T) {
	r := NewReader(iotest.OneByteReader(strings.NewReader(
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"+
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest")), Limits{})
	var got []string
	for {
		h, err := r.ReadResponse("GET")
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body(h))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.Reason+":"+string(text))
	}
	if all := strings.Join(got, " "); all != "Early Hints: OK:ok Not Modified: OK:rest" {
		t.Errorf("got %s", all)
	}
}

func TestAResponseHeadCutAnywhereIsNeverComplete(t *testing.T) {
	const text = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n"
	for i := 1; i < len(text); i++ {
		if h, err := NewReader(strings.NewReader(text[:i]), Limits{}).ReadResponse("GET"); err != io.ErrUnexpectedEOF || h != nil {
			t.Errorf("cut to %q: %+v, %v", text[:i], h, err)
		}
	}
	if _, err := NewReader(strings.NewReader(""), Limits{}).ReadResponse("GET"); err != io.EOF {
		t.Errorf("nothing at all: %v", err)
	}
}

func TestAHeadIsRefusedBeforeItIsComplete(t *testing.T) {
	for text, status := range map[string]int{
		"\x16\x03\x01":                       400,
		"GET / HTTP/1.1\n":                   400,
		"GET / HTTP/1.1\r\n\n":               400,
		"\rG":                                400,
		"GET /" + strings.Repeat("a", 9<<10): 414,
		"GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 64<<10): 431,
		strings.Repeat("G", 64<<10):                           431,
	} {
		from, to := io.Pipe()
		go func() { _, _ = to.Write([]byte(text)) }() // and no end: the client waits
		_, err := NewReader(from, Limits{}).ReadRequest()
		refusedWith(t, err, status, "")
		_ = from.Close()
	}
}

func TestTheBufferGrowsUpToTheLimit(t *testing.T) {
	for _, size := range []int{3 << 10, 4 << 10, 5 << 10, 60 << 10} {
		value := strings.Repeat("v", size)
		r := NewReader(strings.NewReader("GET /a HTTP/1.1\r\nHost: a\r\nX: "+value+"\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n"), Limits{})
		h, err := r.ReadRequest()
		if err != nil || h.Header.Get("X") != value {
			t.Fatalf("a value of %d bytes: %v", size, err)
		}
		if h, err = r.ReadRequest(); err != nil || h.Target != "/b" {
			t.Errorf("after a value of %d bytes: %+v, %v", size, h, err)
		}
		if most := 2 * DefaultLimits.Head; len(r.buf) > most {
			t.Errorf("the buffer has %d bytes", len(r.buf))
		}
		r.Release()
	}
}

func TestABodyIsReadBeforeTheNextHead(t *testing.T) {
	r := NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Limits{})
	h, err := r.ReadRequest()
	if err != nil {
		t.Fatal(err)
	}
	if h, err := r.ReadRequest(); err == nil {
		t.Fatalf("the body was read as a request: %+v", h)
	}
	if _, err := io.Copy(io.Discard, r.Body(h)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadRequest(); err != io.EOF {
		t.Errorf("after the body: %v", err)
	}
}

// pauses fails with a deadline before every byte.
type pauses struct {
	r    io.Reader
	went bool
}

func (p *pauses) Read(b []byte) (int, error) {
	if p.went = !p.went; p.went {
		return 0, os.ErrDeadlineExceeded
	}
	return p.r.Read(b[:1])
}

func TestADeadlineLosesNothing(t *testing.T) {
	r := NewReader(&pauses{r: strings.NewReader(conversation)}, Limits{})
	deadlines := 0
	retry := func(err error) bool {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		deadlines++
		return true
	}
	var got []message
	for {
		h, err := r.ReadRequest()
		if retry(err) {
			continue
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b := r.Body(h)
		var text strings.Builder
		_, err = io.Copy(&text, b)
		for retry(err) {
			_, err = io.Copy(&text, b)
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, message{h.Method + " " + h.Target, text.String(), b.Trailer().Get("X-Sum")})
	}
	if !slices.Equal(got, conversed) || deadlines < len(conversation) {
		t.Errorf("got %v with %d deadlines", got, deadlines)
	}
}

func TestPeekConsumesNothing(t *testing.T) {
	r := NewReader(iotest.OneByteReader(strings.NewReader("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), Limits{})
	if got, err := r.Peek(3); string(got) != "GET" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	if h, err := r.ReadRequest(); err != nil || h.Method != "GET" {
		t.Fatalf("after a look: %+v, %v", h, err)
	}
	if got, err := r.Peek(1); len(got) != 0 || err != io.EOF {
		t.Errorf("at the end: %q, %v", got, err)
	}
	r = NewReader(strings.NewReader(strings.Repeat("x", 10_000)), Limits{})
	if got, err := r.Peek(9_000); len(got) != 9_000 || err != nil {
		t.Errorf("more than the buffer: %d bytes, %v", len(got), err)
	}
	r = NewReader(strings.NewReader("ab"), Limits{})
	if got, err := r.Peek(3); string(got) != "ab" || err != io.EOF {
		t.Errorf("less than asked for: %q, %v", got, err)
	}
}

func TestWhatFollowsAnUpgradeIsHandedOver(t *testing.T) {
	r := NewReader(strings.NewReader("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nframes"), Limits{})
	h, err := r.ReadResponse("GET")
	if err != nil || h.Length != 0 {
		t.Fatalf("got %+v, %v", h, err)
	}
	if got := string(r.Buffered()); got != "frames" {
		t.Fatalf("read ahead: %q", got)
	}
	r.Discard(2)
	if got := string(r.Buffered()); got != "ames" {
		t.Errorf("after 2 bytes: %q", got)
	}
	r.Discard(100)
	if got := r.Buffered(); len(got) != 0 {
		t.Errorf("after all bytes: %q", got)
	}
}

func TestAReleasedReaderReadsNothing(t *testing.T) {
	r := NewReader(strings.NewReader(conversation), Limits{})
	h, err := r.ReadRequest()
	if err != nil {
		t.Fatal(err)
	}
	b := r.Body(h)
	r.Release()
	r.Release()
	if r.pooled != nil {
		t.Error("the buffer was not given back")
	}
	if n, err := b.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("the body gives %d bytes, %v", n, err)
	}
	if got, err := r.Peek(1); len(got) != 0 || err == nil {
		t.Errorf("a look gives %q, %v", got, err)
	}
}

// once gives its text together with an error, and another error ever after.
type once struct {
	text string
	err  error
}

func (o *once) Read(p []byte) (int, error) {
	n, err := copy(p, o.text), o.err
	o.text, o.err = "", io.EOF
	return n, err
}

func TestAnErrorThatComesWithBytesIsToldAfterThem(t *testing.T) {
	broken := errors.New("reset")
	r := NewReader(&once{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", broken}, Limits{})
	if h, err := r.ReadRequest(); err != nil || h.Target != "/" {
		t.Fatalf("got %+v, %v", h, err)
	}
	if _, err := r.ReadRequest(); err != broken {
		t.Errorf("then %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestAConnectionThatGivesNothingIsNotAskedForever(t *testing.T) {
	if _, err := NewReader(idle{}, Limits{}).ReadRequest(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

func TestATypicalHeadTakesOneAllocation(t *testing.T) {
	request, response := NewReader(endless{typicalRequest}, Limits{}), NewReader(endless{typicalResponse}, Limits{})
	var h *Head
	for name, read := range map[string]func() error{
		"request": func() (err error) { h, err = request.ReadRequest(); return err },
		"response": func() (err error) {
			h, err = response.ReadResponse("HEAD")
			return err
		},
	} {
		n := testing.AllocsPerRun(100, func() {
			if err := read(); err != nil {
				t.Fatal(err)
			}
		})
		if n > 1 { // its text with its fields
			t.Errorf("a %s takes %v", name, n)
		}
		if len(h.Header) == 0 {
			t.Errorf("nothing of the %s was parsed", name)
		}
	}
}

func TestWhatAHeadRefersToOutlivesIt(t *testing.T) {
	for _, fields := range []int{1, 4, 5, 8, 9, 12, 13, 16, 17, 90} {
		text := "GET /first HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: kept\r\n", fields-1) + "\r\n"
		r := NewReader(strings.NewReader(text+strings.NewReplacer("first", "other", "kept", "new!").Replace(text)), Limits{})
		first, err := r.ReadRequest()
		if err != nil {
			t.Fatal(err)
		}
		kept := *first
		if _, err := r.ReadRequest(); err != nil {
			t.Fatal(err)
		}
		if string(kept.Raw) != text || kept.Target != "/first" || len(kept.Header) != fields {
			t.Errorf("of a head with %d fields is left %+v", fields, kept)
		}
		for _, f := range kept.Header[1:] {
			if f.Value != "kept" {
				t.Errorf("a field of a head with %d became %v", fields, f)
			}
		}
	}
}

func TestFieldsAreNotSharedWhenOneIsAdded(t *testing.T) {
	h, _, err := ParseRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	one, two := h.Header, h.Header
	one.Add("X", "1")
	two.Add("X", "2")
	if one.Get("X") != "1" || len(h.Header) != 1 {
		t.Errorf("got %v and %v", one, h.Header)
	}
}
