package journey

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"proxycache/backend/core"
)

// raw is what is kept of an exchange as it was on the wire.
func (h *house) raw(seq int64, side string) string {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.Content().ServeHTTP(w, httptest.NewRequest("GET", fmt.Sprintf("/raw/%d/%s", seq, side), nil))
	if w.Code != 200 {
		return fmt.Sprint(w.Code)
	}
	return w.Body.String()
}

// say sends bytes to the proxy and hears all that comes back.
func (h *house) say(text string) string {
	h.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(h.proxy(), "http://"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		h.t.Fatal(err)
	}
	heard, err := io.ReadAll(c)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(heard)
}

// answerer is an origin that gives each request this answer, byte for byte, and tells what it was sent. Those who
// look for servers on this machine get none.
func answerer(t *testing.T, answer string) (address string, asked chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	asked = make(chan string, 1)
	serve := func(c net.Conn) {
		defer c.Close()
		var head strings.Builder
		for in := bufio.NewReader(c); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(line)
		}
		if !strings.Contains(head.String(), finder) {
			asked <- head.String()
			_, _ = io.WriteString(c, answer)
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String(), asked
}

// All four heads of an exchange are kept as they were on the wire, and the X-ray tells what lies between.
func TestTheHeadsOnBothSidesAreKept(t *testing.T) {
	const came = "HTTP/1.1 200 Fine By Me\r\nserver:odd\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nX-Secret: 1\r\n\r\n"
	address, asked := answerer(t, came+"5\r\nhello\r\n0\r\n\r\n")
	h := openHouse(t, `
[upstreams.origin]
host = "upstream"
targets = [{ url = "http://`+address+`/base" }]

[[routes]]
name = "all"
to = "origin"

  [[routes.cells]]
  use = "headers"
  request_set = { X-New = "1" }
  response_remove = ["X-Secret"]
`)
	const request = "GET /v1?a HTTP/1.1\r\nHost: shop.test\r\nx-ODD:  kept\r\nConnection: close\r\n\r\n"
	heard := h.say(request)
	x := h.finished("", 1)
	head, _, _ := strings.Cut(heard, "\r\n\r\n")
	for side, want := range map[string]string{
		"request": request, "sent": <-asked, "came": came, "response": head + "\r\n\r\nhello",
	} {
		if got := h.raw(x.Row.Seq, side); got != want {
			t.Errorf("/raw/1/%s is\n%q\nand on the wire was\n%q", side, got, want)
		}
	}
	if !strings.Contains(head, "\r\nDate: ") || !strings.Contains(head, "\r\nConnection: close") {
		t.Errorf("the client heard %q", head)
	}
	pool := x.Steps[len(x.Steps)-1]
	var sent, got []string
	for _, e := range pool.Sent.Fields {
		sent = append(sent, e.Op+" "+e.Name)
	}
	for _, e := range pool.Came.Fields {
		got = append(got, e.Op+" "+e.Name)
	}
	if told := strings.Join(sent, ", "); told != "set Host, remove Connection, add X-Forwarded-For, add X-Forwarded-Host, add X-Forwarded-Proto, add Forwarded, add Via" ||
		pool.Sent.LineBefore != "GET /v1?a HTTP/1.1" || pool.Sent.LineAfter != "GET /base/v1?a HTTP/1.1" {
		t.Errorf("to the target: %s, %q to %q", told, pool.Sent.LineBefore, pool.Sent.LineAfter)
	}
	if told := strings.Join(got, ", "); told != "remove Keep-Alive, remove Transfer-Encoding, add Via" || pool.Came.LineAfter != "HTTP/1.1 200 Fine By Me" {
		t.Errorf("from the target: %s, %q", told, pool.Came.LineAfter)
	}
}

// What is answered at the door is an exchange, too, though no route saw it.
func TestWhatIsNoRequestIsSeen(t *testing.T) {
	h := openHouse(t, `
[[routes]]
name = "all"
`)
	const broken = "POST /v1/items HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
	heard := h.say(broken)
	x := h.finished("status = 400", 1)
	if x.Row.Method != "POST" || x.URL != "http://shop.test/v1/items" || x.Row.State != "error" || x.Row.Route != "" || len(x.Steps) != 0 ||
		x.Problem == nil || !strings.Contains(x.Problem.Message, "Content-Length") {
		t.Errorf("kept as %+v of %s, %+v", x.Row, x.URL, x.Problem)
	}
	if h.raw(1, "request") != broken || h.raw(1, "response") != heard || h.raw(1, "sent") != "404" {
		t.Errorf("kept are %q\n%q", h.raw(1, "request"), h.raw(1, "response"))
	}
	h.say("hello\r\n\r\n")
	if x = h.finished("", 2); x.Row.Method != "hello" || x.Row.Status != 400 {
		t.Errorf("kept as %+v", x.Row)
	}
	h.say("\x00\x01\r\n\r\n")
	if x = h.finished("", 3); x.Row.Method != "" || x.Row.Status != 400 {
		t.Errorf("kept as %+v", x.Row)
	}
	for seq, actions := range map[int64][]string{1: {"replay", "curl", "mock"}, 3: {"replay", "curl", "mock"}} {
		for _, action := range actions {
			var err error
			switch action {
			case "replay":
				_, err = h.Replay(t.Context(), core.ReplayRequest{Seq: seq})
			case "curl":
				_, err = h.Curl(t.Context(), seq)
			case "mock":
				_, err = h.MockThis(t.Context(), seq)
			}
			if err == nil || !strings.Contains(err.Error(), "it was turned away") {
				t.Errorf("%s of #%d: %v", action, seq, err)
			}
		}
	}
	edited := core.ReplayRequest{Seq: 1, Edited: true, Method: "POST", URL: h.proxy() + "/v1/items"}
	if _, err := h.Replay(t.Context(), edited); err != nil {
		t.Errorf("edited and sent: %v", err)
	}
}
