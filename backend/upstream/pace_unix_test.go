//go:build linux || darwin

package upstream

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallListener is one for whose connections the system holds little.
func smallListener(t *testing.T) net.Listener {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10) })
	}}
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The system has megabytes for a target and asks for more when a third of them has gone: what the target
// takes meanwhile must count.
func TestATargetThatTakesLittleAtATimeIsNotGivenUp(t *testing.T) {
	t.Parallel()
	slowly := func(from io.Reader, n int) {
		for began, buf := time.Now(), make([]byte, n); time.Since(began) < 4*stalling; time.Sleep(stalling / 25) {
			if _, err := io.ReadFull(from, buf); err != nil {
				return
			}
		}
	}
	clear := smallListener(t)
	serveListener(t, clear, func(p *peer) {
		p.head()
		slowly(p.in, 1<<10)
		p.ok("taken")
	})
	framed := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		slowly(r.Body, 4<<10)
		_, _ = io.WriteString(w, "taken")
	}, nil)
	get(t, hasty(framed), "/") // it has said how large frames may be
	for name, p := range map[string]*Pool{
		"in the clear": openTo(t, "http://"+clear.Addr().String()),
		"by TLS": layerOn(t, smallListener(t), func(p *peer) {
			p.head()
			slowly(p.Conn.(*tls.Conn).NetConn(), 1<<10) // what is in its records nobody needs
			p.ok("taken")
		}),
		"by HTTP/2": framed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := withBody(ask(t, "POST", "/"), zeros{}, 1<<40)
			if got := read(t, send(t, hasty(p), x)); got != "taken" {
				t.Errorf("answered %q", got)
			}
		})
	}
}

// Windows of HTTP/2 may be wide open where the way itself is slow.
func TestAnUploadByHTTP2GoesOnWhereTheWayIsSlow(t *testing.T) {
	frame := func(kind, flags byte, payload []byte) []byte {
		return append([]byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, 0}, payload...)
	}
	const settings, windowUpdate, ack = 4, 8, 1
	wide := []byte{0x40, 0, 0, 0}
	l := smallListener(t)
	var taken atomic.Int64
	serveListener(t, l, func(p *peer) {
		_, _ = p.Write(frame(settings, 0, append([]byte{0, 4}, wide...))) // SETTINGS_INITIAL_WINDOW_SIZE
		_, _ = p.Write(frame(settings, ack, nil))
		_, _ = p.Write(frame(windowUpdate, 0, wide))
		for b := make([]byte, 4<<10); ; time.Sleep(stalling / 50) {
			n, err := p.Conn.Read(b)
			if taken.Add(int64(n)); err != nil {
				return
			}
		}
	})
	p := hasty(openTo(t, "h2c://"+l.Addr().String()))
	x := withBody(ask(t, "POST", "/"), zeros{}, 1<<40)
	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	x.WithContext(ctx)
	ended := make(chan error, 1)
	go func() { _, err := p.Send(x); ended <- err }()
	select {
	case err := <-ended:
		t.Fatalf("it was cut off after %d bytes: %v", taken.Load(), err)
	case <-time.After(6 * stalling):
	}
	cancel()
	<-ended
}
