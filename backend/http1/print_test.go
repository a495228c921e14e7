package http1

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

func TestHeadsArePrintedAsTheyWere(t *testing.T) {
	for _, text := range []string{
		"GET / HTTP/1.1\r\nhOST: a\r\nX-Empty: \r\n\r\n",
		"OPTIONS * HTTP/1.0\r\n\r\n",
	} {
		h, _, err := ParseRequest([]byte(text), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendRequest([]byte("before "), h.Method, h.Target, h.Proto, h.Header)); got != "before "+text {
			t.Errorf("printed as %q", got)
		}
	}
	const text = "HTTP/1.0 200 Sure\r\nX: 1\r\nx: \xe4\r\nContent-Length: 0\r\n\r\n"
	h, _, err := ParseResponse([]byte(text), "GET", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(AppendResponse(nil, h.Proto, h.Status, h.Reason, h.Header)); got != text {
		t.Errorf("printed as %q", got)
	}
}

func TestAReasonIsTheRegistrysWhereThereIsNone(t *testing.T) {
	for status, want := range map[int]string{404: "HTTP/1.1 404 Not Found\r\n\r\n", 299: "HTTP/1.1 299 \r\n\r\n", 999: "HTTP/1.1 999 \r\n\r\n"} {
		if got := string(AppendResponse(nil, "HTTP/2.0", status, "", nil)); got != want {
			t.Errorf("printed as %q", got)
		}
	}
}

func TestNothingPrintedEndsALineEarly(t *testing.T) {
	const evil = "a\r\nEvil: 1\n\x00b"
	h := flow.Header{{Name: "Host", Value: "a"}, {Name: "X", Value: evil}, {Name: "X\r\nEvil", Value: "1"}, {Name: "", Value: "1"}, {Name: "Y", Value: " padded "}}
	got, n, err := ParseRequest(AppendRequest(nil, "G\r\nE T", "/"+evil, "HTTP/1.1\r\nEvil: 1", h), Limits{})
	if err != nil || n == 0 {
		t.Fatalf("took %d bytes, %v", n, err)
	}
	want := flow.Header{{Name: "Host", Value: "a"}, {Name: "X", Value: "a  Evil: 1  b"}, {Name: "Y", Value: "padded"}}
	if !reflect.DeepEqual(got.Header, want) || got.Method != "GET" || got.Target != "/a%0D%0AEvil:%201%0A%00b" {
		t.Errorf("read as %s %s %q", got.Method, got.Target, got.Header)
	}
	text := string(AppendResponse(nil, "HTTP/1.1", 200, evil, h))
	if strings.Count(text, "\r\n") != 5 || strings.Count(text, "\n") != 5 {
		t.Errorf("printed as %q", text)
	}
}

func TestReasonsAreThoseOfTheStandardLibrary(t *testing.T) {
	newer := map[int]string{413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
	for status := -1; status < 1000; status++ {
		want := http.StatusText(status)
		if text, ok := newer[status]; ok { // RFC 9110 renamed them
			want = text
		}
		if got := StatusText(status); got != want {
			t.Errorf("%d is %q, want %q", status, got, want)
		}
	}
}
