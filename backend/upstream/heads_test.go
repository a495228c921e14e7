package upstream

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

// recorded is x as a recorder numbers it.
func recorded(x *flow.Exchange) *flow.Exchange {
	x.Seq = 7
	return x
}

func TestTheHeadsBetweenUsAndATargetAreNoted(t *testing.T) {
	p := openTo(t, "http://"+serve(t, answering)+"/base")
	for _, method := range []string{"GET", "POST"} { // on a new connection, and on one that was used
		x := recorded(ask(t, method, "/a?b", "X-Odd-CASE:  kept", "Connection: close"))
		if method == "POST" {
			x = withBody(x, strings.NewReader("body"), 4)
		}
		heard := read(t, send(t, p, x))
		step := x.Trail[0]
		if string(step.Sent) != heard || !strings.HasPrefix(heard, method+" /base/a?b HTTP/1.1\r\nHost: shop.localhost\r\nX-Odd-CASE: kept\r\n") {
			t.Errorf("noted as sent %q, and the target heard %q", step.Sent, heard)
		}
		if head, _, whole := strings.Cut(string(step.Came), "\r\n\r\n"); !whole || !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\nContent-Length: ") {
			t.Errorf("noted as come %q", step.Came)
		}
	}
	x := ask(t, "GET", "/a")
	if read(t, send(t, p, x)); x.Trail[0].Sent != nil || x.Trail[0].Came != nil {
		t.Error("heads are kept of an exchange that nobody records")
	}
}

func TestTheHeadsOfHTTP2AreNoted(t *testing.T) {
	p := openTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		w.Header().Set("X-Mine", "1")
		w.WriteHeader(404)
	}, nil)
	x := recorded(ask(t, "GET", "/a?b", "A: 1", "Connection: keep-alive"))
	read(t, send(t, p, x))
	sent := strings.ReplaceAll(string(x.Trail[0].Sent), p.pseudonym, "PX")
	if want := "GET /base/a?b HTTP/2.0\r\nHost: shop.localhost\r\nA: 1\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: shop.localhost\r\nX-Forwarded-Proto: http\r\n" +
		"Forwarded: for=192.0.2.7;host=shop.localhost;proto=http\r\nVia: 1.1 PX\r\n\r\n"; sent != want {
		t.Errorf("noted as sent %q", sent)
	}
	if came := string(x.Trail[0].Came); came != "HTTP/2.0 404 Not Found\r\ncontent-length: 0\r\nx-mine: 1\r\n\r\n" {
		t.Errorf("noted as come %q", came)
	}
}

func TestThePasswordOfAProxyIsNotNoted(t *testing.T) {
	r := &relay{password: "me:p@ss"}
	s := through(t, "http://me:p%40ss@"+serve(t, r.http), "http://app.test:81/base")
	s.Host = "upstream"
	x := recorded(ask(t, "GET", "/a"))
	if body := read(t, send(t, open(t, s, Options{}), x)); body != "absolute http://app.test:81/base/a" {
		t.Fatalf("answered %q", body)
	}
	if sent := string(x.Trail[0].Sent); !strings.HasPrefix(sent, "GET http://app.test:81/base/a HTTP/1.1\r\nHost: app.test:81\r\n") || strings.Contains(sent, "Proxy-Authorization") {
		t.Errorf("noted as sent %q", sent)
	}
}

func TestAHeadThatDidNotLeaveIsNotNoted(t *testing.T) {
	x := recorded(withBody(ask(t, "POST", "/"), broken{}, 5))
	if _, err := openTo(t, "http://"+serve(t, answering)).Send(x); err == nil || x.Trail[0].Sent != nil {
		t.Errorf("%v, noted as sent is %q", err, x.Trail[0].Sent)
	}
}

// broken is a body that breaks off at once.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
