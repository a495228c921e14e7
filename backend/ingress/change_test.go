package ingress

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func hold(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("%s cannot be held here: %v", address, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// What fails for another address must not cost the clients of a port that would have moved.
func TestAPortIsTakenOverLast(t *testing.T) {
	other := hold(t, "127.0.0.1:0")
	h := open(t, ok)
	before := h.bound[0]
	_, port := flow.SplitAuthority(h.address())
	err := h.Configure(Settings{Listen: []Listener{{Address: "0.0.0.0:" + port, Accept: everything}, {Address: other.Addr().String(), Accept: everything}}})
	if p := problem.Of(err); p == nil || p.Where != "listen.2.address" || !strings.Contains(p.Message, "taken by node (pid 4711)") {
		t.Errorf("the problem is %v", err)
	}
	if len(h.bound) != 1 || h.bound[0] != before {
		t.Error("the port was let go meanwhile")
	}
}

func TestTheHolderOfAPortIsLookedForWhenClientsAreAcceptedAgain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("127.0.0.2 is not there")
	}
	h := open(t, ok)
	before := h.address()
	_, port := flow.SplitAuthority(before)
	hold(t, "127.0.0.2:"+port)
	asked := false
	h.options.Owner = func(string) string {
		asked = true
		c, err := net.Dial("tcp", before)
		if err != nil {
			t.Errorf("meanwhile %v", err)
			return ""
		}
		_ = c.Close()
		return "another program"
	}
	err := h.Configure(Settings{Listen: []Listener{{Address: "0.0.0.0:" + port, Accept: everything}}})
	if p := problem.Of(err); !asked || p == nil || p.Where != "listen.1.address" || !strings.Contains(p.Message, "taken by another program") {
		t.Errorf("asked %v, the problem is %v", asked, err)
	}
	if h.address() != before {
		t.Errorf("it listens on %s", h.address())
	}
}

func TestTwoListenersInEachOthersWayAreToldSo(t *testing.T) {
	h := open(t, ok)
	_, port := flow.SplitAuthority(h.address())
	err := h.Configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}, {Address: "0.0.0.0:" + port, Accept: everything}}})
	if p := problem.Of(err); p == nil || p.Kind != problem.Conflict || p.Where != "listen.2.address" || !strings.Contains(p.Message, "another listener of this proxy") {
		t.Errorf("the problem is %v", err)
	}
}

// exhausted is a listener of a process that has no file left to open.
type exhausted struct{ net.Listener }

func (exhausted) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Err: errors.Join(syscall.EMFILE)}
}
func (exhausted) Close() error { return nil }

// lines keeps what is logged.
type lines struct {
	slog.Handler
	mu  sync.Mutex
	all []string
}

func (*lines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.all = append(l.all, line)
	return nil
}

func TestThatNoConnectionCanBeAcceptedIsToldNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		s := New(Options{Log: slog.New(&log)})
		b := &bound{address: "127.0.0.1:8080", listener: exhausted{}, done: make(chan struct{})}
		log.all = nil
		s.accept(b)
		time.Sleep(2*acceptFailing + time.Second)
		b.close()
		s.running.Wait()
		if len(log.all) != 3 || !strings.Contains(log.all[0], "raise ulimit -n") || !strings.Contains(log.all[0], "attempts=1 ") || !strings.Contains(log.all[2], "attempts=100 ") {
			t.Errorf("told is %q", log.all)
		}
	})
}
