package upstream

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A server of gRPC ends a connection that is pinged more often than each five minutes.
func TestAPeerThatHasGoneIsNoticedBeforeAPing(t *testing.T) {
	if pingAfter <= 5*time.Minute {
		t.Errorf("a ping is sent after %s", pingAfter)
	}
	p := openTo(t, "h2c://"+serveH2C(t, func(http.ResponseWriter, *http.Request) {}))
	_ = get(t, p, "/")
	raw, err := p.balance.all()[0].site.shared[0].held.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		for name, c := range map[string]struct{ level, option, want int }{
			"keep-alive":   {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			"its interval": {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
			"its patience": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(goneAfter.Milliseconds())},
		} {
			if got, err := unix.GetsockoptInt(int(fd), c.level, c.option); got != c.want {
				t.Errorf("%s is %d, want %d: %v", name, got, c.want, err)
			}
		}
	})
}
