package upstream

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"proxycache/backend/problem"
)

func TestARequestThatLeftInPartIsNotRepeated(t *testing.T) {
	far := make(chan net.Conn, 1)
	over := make(chan struct{})
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		if p.n > 1 {
			p.ok("repeated")
			return
		}
		p.ok("first")
		far <- p.Conn
		<-over
	}))
	if body := get(t, p, "/"); body != "first" {
		t.Fatalf("answered %q", body)
	}
	// What the origin has not read yet fills the socket: of the request nothing leaves at first.
	idle := p.lines.at(p.balance.all()[0].origin).idle[0].socket
	filled := int64(0)
	for full := 0; full < 3; full++ {
		if err := idle.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, _ := idle.Write(make([]byte, 8<<20)); n > 0 {
			filled, full = filled+int64(n), 0
		}
	}
	if err := idle.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	other := <-far
	time.AfterFunc(time.Second, func() {
		_, _ = io.CopyN(io.Discard, other, filled) // then it ends, whatever came
		close(over)
	})
	x := ask(t, "POST", "/again", "X-Long: "+strings.Repeat("y", 8<<20))
	refused(t, p, x, problem.Terminated)
}
