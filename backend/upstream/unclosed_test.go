package upstream

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"proxycache/backend/problem"
)

// endingTLS answers each connection with text, and ends it by close_notify or by the end of the connection
// below alone.
func endingTLS(t *testing.T, cert tls.Certificate, text string, end func(*tls.Conn)) (port string) {
	t.Helper()
	address := serve(t, func(p *peer) {
		conn := tls.Server(p.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		_, _ = io.WriteString(conn, text)
		end(conn)
		_, _ = io.Copy(io.Discard, p.Conn) // until we are through: bytes that are left here would reset the connection
	})
	_, port, _ = net.SplitHostPort(address)
	return port
}

func byItsWord(c *tls.Conn) { _ = c.CloseWrite() }

func byFINAlone(c *tls.Conn) {
	if tcp, ok := c.NetConn().(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

func TestAnAnswerThatEndsWithItsConnectionNeedsTheWordOfTLS(t *testing.T) {
	ours := newAuthority(t)
	cert := ours.leaf(t, -1, 1, "localhost")
	const endless, sized, chunked = "HTTP/1.1 200 OK\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n"
	for _, c := range []struct {
		name, text string
		end        func(*tls.Conn)
		whole      bool
	}{
		{"close_notify", endless, byItsWord, true},
		{"FIN alone", endless, byFINAlone, false},
		{"FIN alone, no byte of a body", endless[:len(endless)-4], byFINAlone, false},
		{"FIN alone, with a length", sized, byFINAlone, true},
		{"FIN alone, in chunks", chunked, byFINAlone, true},
	} {
		for _, by := range []string{"target", "proxy"} {
			t.Run(c.name+" of the "+by, func(t *testing.T) {
				at := "https://localhost:" + endingTLS(t, cert, c.text, c.end)
				s := settings(at)
				if by == "proxy" { // asked in the absolute form
					s = through(t, at, "http://app.test")
					s.Host = "upstream"
				}
				s.CA = ours.file
				p := open(t, s, Options{})
				r := send(t, p, ask(t, "GET", "/"))
				body, err := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if want := strings.TrimSuffix(c.text[strings.Index(c.text, "\r\n\r\n")+4:], "0\r\n\r\n"); !strings.Contains(want, string(body)) {
					t.Errorf("read %q", body)
				}
				switch {
				case c.whole && err != nil:
					t.Errorf("it is whole, and %v", err)
				case !c.whole && (problem.KindOf(err) != problem.Terminated || !strings.Contains(err.Error(), "close_notify")):
					t.Errorf("it looks whole: %v", err)
				}
			})
		}
	}
}
