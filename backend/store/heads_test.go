package store

import (
	"strings"
	"testing"
)

func TestAHeadIsToldByAnother(t *testing.T) {
	like := "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nAccept: */*\r\n\r\n"
	for name, c := range map[string]struct {
		head, like string
		most       int // bytes that it takes
	}{
		"none":                   {"", like, 1},
		"the same":               {like, like, 6},
		"nothing to tell it by":  {like, "", len(like) + 11},
		"a line more":            {strings.Replace(like, "\r\n\r\n", "\r\nVia: 1.1 p\r\n\r\n", 1), like, 6 + 14},
		"another order":          {"Host: a\r\nGET / HTTP/1.1\r\n\r\n", like, 4},
		"a line that is longer":  {"GET / HTTP/1.1\r\nHost: abc\r\n", like, 2 + 2 + 11},
		"no end of a line":       {"GET / HTTP/1.1\r\nHost: a", like, 2 + 2 + 7},
		"both without one":       {"a\nb", "x\nb", 1 + 4 + 1},
		"line feeds alone":       {"\n\n\n", "\n", 4},
		"more lines than a byte": {strings.Repeat("x\n", 300) + "y\n", strings.Repeat("z\n", 299) + "x\ny\n", 2 + 300*2 + 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := appendHead(nil, []byte(c.head), []byte(c.like))
			if len(b) > c.most {
				t.Errorf("it takes %d bytes, %q", len(b), b)
			}
			d := &restReader{b: b}
			if got := string(d.head([]byte(c.like))); got != c.head || d.err != nil || len(d.b) != 0 {
				t.Errorf("read as %q, %v, %d bytes are left", got, d.err, len(d.b))
			}
		})
	}
}

func TestALineThatIsNotThereIsAFault(t *testing.T) {
	for _, b := range []string{"\x01\x02", "\x01\x05", "\x02\x01\x03"} {
		d := &restReader{b: []byte(b + strings.Repeat("\x00", 10))}
		if got := d.head([]byte("one\n")); d.err == nil {
			t.Errorf("%q is read as %q", b, got)
		}
	}
}
