package http1

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"proxycache/backend/flow"
)

type chunkedCase struct {
	name, text, body string
	trailer          flow.Header
}

var chunkedCases = []chunkedCase{
	{"§7.1 nothing", "0\r\n\r\n", "", nil},
	{"§7.1 two chunks", "4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n", "Wikipedia", nil},
	{"§7.1 hexadecimal of both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a", nil},
	{"§7.1 leading zeros", "0000000000000000000000004\r\nWiki\r\n000\r\n\r\n", "Wiki", nil},
	{"§7.1 line ends in the data", "6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", "\r\n0\r\n\r", nil},
	{"§7.1.1 an extension", "4;name\r\nWiki\r\n0;last\r\n\r\n", "Wiki", nil},
	{"§7.1.1 extensions with values and blanks", "4; a=1 ;\tb = \"x;\\\"\\\\ \xe4\" ; c\r\nWiki\r\n0\r\n\r\n", "Wiki", nil},
	{"§7.1.2 a trailer", "4\r\nWiki\r\n0\r\nX-Sum:  1\r\nx-sum: 2\r\n\r\n", "Wiki", flow.Header{{Name: "X-Sum", Value: "1"}, {Name: "x-sum", Value: "2"}}},
	{"9110 §6.5.1 fields that have no place in a trailer", "0\r\nContent-Length: 4\r\ntransfer-encoding: chunked\r\nHost: b\r\nSet-Cookie: a\r\nIf-Match: *\r\nX: 1\r\nContent-Type: a\r\n\r\n",
		"", flow.Header{{Name: "X", Value: "1"}}},
}

func TestChunksAreDecoded(t *testing.T) {
	for _, c := range chunkedCases {
		t.Run(c.name, func(t *testing.T) {
			for _, arriving := range []int{0, 1, 2, 3, 7} {
				for _, asking := range []int{0, 1, 5} {
					agreeOnChunked(t, []byte(c.text+"next"), arriving, asking)
				}
			}
			r := NewReader(strings.NewReader(c.text+"next"), Limits{})
			b := r.Body(&Head{Length: Chunked})
			got, err := io.ReadAll(b)
			if err != nil || string(got) != c.body || !sameFields(b.Trailer(), c.trailer) {
				t.Errorf("got %q, trailer %v, %v", got, b.Trailer(), err)
			}
			if string(r.Buffered()) != "next" || !b.Done() {
				t.Errorf("done is %v, left %q", b.Done(), r.Buffered())
			}
		})
	}
}

func TestABodyCutAtAnyByteIsNeverComplete(t *testing.T) {
	for _, c := range chunkedCases {
		for i := range len(c.text) {
			for _, arriving := range []int{0, 1} {
				r := NewReader(steps{strings.NewReader(c.text[:i]), arriving}, Limits{})
				b := r.Body(&Head{Length: Chunked})
				got, err := io.ReadAll(b)
				if err != io.ErrUnexpectedEOF || b.Done() || !strings.HasPrefix(c.body, string(got)) {
					t.Errorf("%s, cut to %q: %q, %v, done %v", c.name, c.text[:i], got, err, b.Done())
				}
				if _, err := b.Read(make([]byte, 1)); err != io.ErrUnexpectedEOF {
					t.Errorf("%s, cut to %q: then %v", c.name, c.text[:i], err)
				}
			}
		}
	}
	for i := range 10 {
		r := NewReader(strings.NewReader("0123456789"[:i]), Limits{})
		b := r.Body(&Head{Length: 10})
		if n, err := io.Copy(io.Discard, b); err != io.ErrUnexpectedEOF || n != int64(i) || b.Done() {
			t.Errorf("cut to %d bytes of 10: %d, %v, done %v", i, n, err, b.Done())
		}
	}
}

var refusedChunks = []refusedCase{
	{"§7.1 no size", "\r\nWiki\r\n0\r\n\r\n", 400, "hexadecimal"},
	{"§7.1 no digit", "g\r\n", 400, "hexadecimal"},
	{"§7.1 a prefix", "0x4\r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1 a sign", "+4\r\nWiki\r\n0\r\n\r\n", 400, "hexadecimal"},
	{"§7.1 a size that overflows", "8000000000000000\r\n", 400, "hexadecimal"},
	{"§7.1 a size that wraps around", "10000000000000004\r\nWiki\r\n0\r\n\r\n", 400, "hexadecimal"},
	{"§7.1 whitespace before the size", " 4\r\nWiki\r\n0\r\n\r\n", 400, "hexadecimal"},
	{"§7.1 whitespace after the size", "4 \r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1 a line feed alone", "4\nWiki\n0\n\n", 400, "line feed alone"},
	{"§7.1 a line feed alone at once", "\n", 400, "line feed alone"},
	{"§7.1 a carriage return in the size", "4\r\r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1 more data than the size", "4\r\nWikis\r\n0\r\n\r\n", 400, "longer than its size"},
	{"§7.1 less data than the size", "6\r\nWiki\r\n0\r\n\r\n", 400, "longer than its size"},
	{"§7.1 a line feed after the data", "4\r\nWiki\n0\r\n\r\n", 400, "longer than its size"},
	{"§7.1.1 whitespace before the extension", "4 ;a\r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1.1 an extension without a name", "4;\r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1.1 an extension without its value", "4;a=\r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1.1 an open quote", "4;a=\"b\r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1.1 an open escape", "4;a=\"b\\\r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1.1 a control character in quotes", "4;a=\"\x00\"\r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1.1 text after a value", "4;a=b(\r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1.1 whitespace at the end", "4;a \r\nWiki\r\n0\r\n\r\n", 400, "extension"},
	{"§7.1.1 a long extension", "4;" + strings.Repeat("a", chunkLine) + "\r\n", 400, "1024 bytes"},
	{"§7.1.1 many extensions on little data", strings.Repeat("1;"+strings.Repeat("a", 200)+"\r\nx\r\n", 200), 400, "out of proportion"},
	{"§7.1.2 a folded trailer", "0\r\nX: 1\r\n 2\r\n\r\n", 400, "folded"},
	{"§7.1.2 a trailer without a colon", "0\r\nX\r\n\r\n", 400, "no colon"},
	{"§7.1.2 a trailer with a line feed alone", "0\r\nX: 1\n\r\n", 400, "line feed alone"},
	{"6585 §5 a long trailer", "0\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", 431, "65536 bytes"},
	{"6585 §5 a trailer of many fields", "0\r\n" + strings.Repeat("X: 1\r\n", 101) + "\r\n", 431, "100 fields"},
}

func TestMalformedChunksAreRefused(t *testing.T) {
	for _, c := range refusedChunks {
		t.Run(c.name, func(t *testing.T) {
			agreeOnChunked(t, []byte(c.text), 0, 0)
			agreeOnChunked(t, []byte(c.text), 1, 1)
			r := NewReader(strings.NewReader(c.text), Limits{})
			b := r.Body(&Head{Length: Chunked})
			_, err := io.Copy(io.Discard, b)
			refusedWith(t, err, c.status, c.reason)
			_, again := b.Read(make([]byte, 1))
			if again != err || b.Done() {
				t.Errorf("then %v, done %v", again, b.Done())
			}
			b = NewReader(strings.NewReader(c.text), Limits{}).Body(&Head{Length: Chunked, Status: 200})
			_, err = io.ReadAll(b)
			refusedWith(t, err, 502, c.reason)
		})
	}
}

func TestTheLargestChunkIsTaken(t *testing.T) {
	for _, size := range []string{"7fffffffffffffff", "00007fffffffffffffff", "7fffffffffffffff;a=b", "1;" + strings.Repeat("a", 100) + "\r\nx\r\n7fffffffffffffff"} {
		text := size + "\r\nWiki"
		agreeOnChunked(t, []byte(text), 0, 0)
		b := NewReader(strings.NewReader(text), Limits{}).Body(&Head{Length: Chunked})
		if got, err := io.ReadAll(b); err != io.ErrUnexpectedEOF || !strings.HasSuffix(string(got), "Wiki") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestExtensionsThatGoWithDataAreNotCounted(t *testing.T) {
	signed := "400;chunk-signature=" + strings.Repeat("f", 64) + "\r\n" + strings.Repeat("x", 1024) + "\r\n"
	r := NewReader(strings.NewReader(strings.Repeat(signed, 1000)+"0\r\n\r\n"), Limits{})
	if n, err := io.Copy(io.Discard, r.Body(&Head{Length: Chunked})); n != 1024*1000 || err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// A large body goes past the small buffer; what comes before and after it must not suffer.
func TestLargeBodiesPassWhole(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	var chunked bytes.Buffer
	for i, size := 0, 1; i < len(data); i, size = i+size, size*3 {
		size = min(size, len(data)-i)
		w := NewBodyWriter(&chunked, Chunked)
		if _, err := w.Write(data[i : i+size]); err != nil {
			t.Fatal(err)
		}
	}
	chunked.WriteString("0\r\n\r\n")
	for _, c := range []struct {
		name   string
		text   []byte
		length int64
	}{
		{"a length", data, int64(len(data))},
		{"chunks", chunked.Bytes(), Chunked},
	} {
		for _, arriving := range []int{0, 1000, 5000} {
			for way, room := range map[string]int{"little": 512, "much": 64 << 10} {
				r := NewReader(steps{io.MultiReader(bytes.NewReader(c.text), strings.NewReader("next")), arriving}, Limits{})
				b := r.Body(&Head{Length: c.length})
				var w bytes.Buffer
				_, err := io.CopyBuffer(struct{ io.Writer }{&w}, b, make([]byte, room))
				got := w.Bytes()
				if err != nil || !bytes.Equal(got, data) || !b.Done() {
					t.Errorf("%s with %s room, %d at once: %d bytes, %v", c.name, way, arriving, len(got), err)
				}
				if next, err := r.Peek(4); string(next) != "next" || err != nil {
					t.Errorf("%s with %s room, %d at once: then %q, %v", c.name, way, arriving, next, err)
				}
				r.Release()
			}
		}
	}
}

// counted counts the reads of a connection.
type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	c.n++
	return c.r.Read(p)
}

func TestSmallChunksDoNotCostAReadEach(t *testing.T) {
	const chunks = 100
	var segments []io.Reader // a size alone, then the data with its line end
	for range chunks {
		segments = append(segments, strings.NewReader("4\r\n"), strings.NewReader("Wiki\r\n"))
	}
	segments = append(segments, strings.NewReader("0\r\n\r\n"))
	from := &counted{r: io.MultiReader(segments...)}
	n, err := io.Copy(io.Discard, NewReader(from, Limits{}).Body(&Head{Length: Chunked}))
	if n != 4*chunks || err != nil {
		t.Fatalf("got %d bytes, %v", n, err)
	}
	if from.n > len(segments) {
		t.Errorf("%d segments took %d reads", len(segments), from.n)
	}
}

func TestABodyUntilCloseEndsWithTheConnection(t *testing.T) {
	for _, size := range []int{0, 10, 10_000} {
		text := strings.Repeat("x", size)
		r := NewReader(strings.NewReader(text), Limits{})
		b := r.Body(&Head{Length: UntilClose, Status: 200})
		if got, err := io.ReadAll(b); err != nil || string(got) != text || !b.Done() {
			t.Errorf("%d bytes by Read: %d, %v, done %v", size, len(got), err, b.Done())
		}
		b = NewReader(strings.NewReader(text), Limits{}).Body(&Head{Length: UntilClose, Status: 200})
		if n, err := io.Copy(io.Discard, b); err != nil || n != int64(size) || !b.Done() {
			t.Errorf("%d bytes by Copy: %d, %v, done %v", size, n, err, b.Done())
		}
	}
	broken := errors.New("reset")
	r := NewReader(io.MultiReader(strings.NewReader("some"), iotest.ErrReader(broken)), Limits{})
	b := r.Body(&Head{Length: UntilClose, Status: 200})
	if got, err := io.ReadAll(b); string(got) != "some" || err != broken || b.Done() {
		t.Errorf("a reset: %q, %v, done %v", got, err, b.Done())
	}
}

func TestABodyHandsOnWhatHasArrived(t *testing.T) {
	from, to := io.Pipe()
	r := NewReader(from, Limits{})
	b := r.Body(&Head{Length: Chunked})
	p := make([]byte, 64<<10)
	for _, c := range []struct{ sent, got string }{
		{"5\r\nhello", "hello"},                   // its line end is still to come
		{"\r\n1\r\na\r\n1\r\nb\r\n5\r\nc", "abc"}, // three chunks, the last in part
		{"defg", "defg"},
	} {
		go func() { _, _ = to.Write([]byte(c.sent)) }()
		if n, err := b.Read(p); string(p[:n]) != c.got || err != nil {
			t.Fatalf("after %q: %q, %v", c.sent, p[:n], err)
		}
	}
	go func() { _, _ = to.Write([]byte("\r\n0\r\n\r\n")) }()
	if n, err := b.Read(p); n != 0 || err != io.EOF || !b.Done() {
		t.Errorf("at the end: %d, %v, done %v", n, err, b.Done())
	}
}

func TestABodyIsDoneWithItsLastByte(t *testing.T) {
	r := NewReader(strings.NewReader("abcd"), Limits{})
	b := r.Body(&Head{Length: 4})
	if n, err := b.Read(make([]byte, 10)); n != 4 || err != io.EOF || !b.Done() {
		t.Errorf("a length: %d, %v, done %v", n, err, b.Done())
	}
	r = NewReader(strings.NewReader("4\r\nabcd\r\n0\r\n\r\n"), Limits{})
	b = r.Body(&Head{Length: Chunked})
	if n, err := b.Read(make([]byte, 10)); n != 4 || err != io.EOF || !b.Done() {
		t.Errorf("chunks: %d, %v, done %v", n, err, b.Done())
	}
	b = r.Body(&Head{})
	if n, err := b.Read(make([]byte, 10)); n != 0 || err != io.EOF || !b.Done() {
		t.Errorf("nothing: %d, %v, done %v", n, err, b.Done())
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// What is taken from the connection past the reader counts as read, and only where the reader has none of it.
func TestABodyThatIsTakenPastTheReader(t *testing.T) {
	data := strings.Repeat("0123456789", 100_000)
	from := strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + data + "next")
	r := NewReader(from, Limits{})
	h, err := r.ReadResponse("GET")
	if err != nil {
		t.Fatal(err)
	}
	b := r.Body(h)
	if n := b.Beside(); n != 0 {
		t.Errorf("%d bytes may be taken while the buffer has some", n)
	}
	p := make([]byte, small)
	n, err := b.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	if left := b.Beside(); left != int64(len(data)-n) {
		t.Errorf("%d of %d may be taken", left, len(data)-n)
	}
	past := make([]byte, len(data)-n)
	half := len(past) / 2
	_, _ = from.Read(past[:half])
	if err := b.Passed(half, nil); err != nil || b.Done() {
		t.Errorf("after a half: %v, done %v", err, b.Done())
	}
	if err := b.Passed(0, os.ErrDeadlineExceeded); err != os.ErrDeadlineExceeded {
		t.Errorf("a deadline: %v", err)
	}
	_, _ = from.Read(past[half:])
	if err := b.Passed(len(past)-half, nil); err != io.EOF || !b.Done() || b.Beside() != 0 {
		t.Errorf("at the end: %v, done %v, %d left", err, b.Done(), b.Beside())
	}
	if string(p[:n])+string(past) != data {
		t.Error("other bytes were taken")
	}
	if next, err := r.Peek(4); string(next) != "next" || err != nil {
		t.Errorf("then %q, %v", next, err)
	}

	for _, framing := range []int64{Chunked, UntilClose} {
		r := NewReader(strings.NewReader(""), Limits{})
		if b := r.Body(&Head{Length: framing, Status: 200}); b.Beside() != 0 {
			t.Errorf("%d bytes of a body of length %d may be taken", b.Beside(), framing)
		}
	}
	cut := NewReader(strings.NewReader(""), Limits{}).Body(&Head{Length: 10, Status: 200})
	if err := cut.Passed(4, io.EOF); err != io.ErrUnexpectedEOF || cut.Done() || cut.Beside() != 0 {
		t.Errorf("a cut: %v, done %v, %d left", err, cut.Done(), cut.Beside())
	}
	if _, err := cut.Read(p); err != io.ErrUnexpectedEOF {
		t.Errorf("then %v", err)
	}
}
