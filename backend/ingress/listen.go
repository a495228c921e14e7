package ingress

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/socket"
)

// Settings say where a server listens and whom it believes.
type Settings struct {
	Listen []Listener
	// PassThrough are hosts whose CONNECT is tunnelled untouched: "bank.example", "*.bank.example"
	// (the domains below it), an IP address.
	PassThrough []string
	// Trusted are the networks whose forwarding fields may be believed.
	Trusted []netip.Prefix
	Limits  Limits
	TLS     Termination
}

// Listener is an address and what it accepts: "reverse", "forward", "connect", "socks5".
type Listener struct {
	Address string // host:port; port 0 is any free one
	Accept  []string
	// ProxyProtocol: each connection begins with a header of the PROXY protocol, which says who the
	// client is. Only peers in Settings.Trusted may connect then.
	ProxyProtocol bool
	// Username and Password are wanted from those who use it as a proxy; requests to the proxy itself
	// ("reverse") need none. Both are empty where nothing is wanted.
	Username, Password string
}

// rules are the settings that hold for every listener.
type rules struct {
	pass    patterns
	trusted []netip.Prefix
}

func (r *rules) trusts(a netip.Addr) bool {
	for _, p := range r.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// ways are the kinds of requests that a listener accepts, and from whom.
type ways struct {
	listener                          Listener // as configured
	reverse, forward, connect, socks5 bool
	proxied                           bool // the PROXY protocol comes first
	login                             login
}

func readWays(where string, l Listener) (*ways, error) {
	if (l.Username == "") != (l.Password == "") {
		return nil, problem.New(problem.Invalid, "Listening: a name without a password, or a password without a name, admits nobody. Write both, or neither.").At(where + ".password")
	}
	w := &ways{listener: l, proxied: l.ProxyProtocol, login: newLogin(l.Username, l.Password)}
	w.listener.Accept = append([]string{}, l.Accept...)
	for _, n := range l.Accept {
		switch n {
		case "reverse":
			w.reverse = true
		case "forward":
			w.forward = true
		case "connect":
			w.connect = true
		case "socks5":
			w.socks5 = true
		default:
			return nil, problem.New(problem.Invalid, "Listening: %q is no kind of request. Write \"reverse\", \"forward\", \"connect\" or \"socks5\".", n).At(where + ".accept")
		}
	}
	return w, nil
}

// bound is an address that is listened on.
type bound struct {
	address  string // as configured
	listener net.Listener
	ways     atomic.Pointer[ways]
	gone     atomic.Bool // it was closed; its connections end with their next answer
	done     chan struct{}

	strangers strangers
}

func (b *bound) close() {
	if !b.gone.Swap(true) {
		close(b.done)
		_ = b.listener.Close() // it only fails when it is closed already
	}
}

// bind listens on an address without accepting yet. What the error means is told by bindProblem.
func (s *Server) bind(address string) (*bound, error) {
	network := "tcp"
	host, _ := flow.SplitAuthority(address)
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		network = "tcp4" // with "tcp", 0.0.0.0 would take every IPv6 address too
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &bound{address: address, listener: listener, done: make(chan struct{})}, nil
}

// bindProblem takes a while where it looks for who holds a port.
func (s *Server) bindProblem(address string, err error) *problem.Problem {
	_, port := flow.SplitAuthority(address)
	switch {
	case isErrno(err, syscall.EADDRINUSE, wsaAddressInUse):
		owner := s.options.Owner(address)
		if owner == "" {
			owner = "another program"
		}
		return problem.Wrap(problem.Conflict, err, "Listening on %s: port %s is taken by %s. Stop it, or choose another port.", address, port, owner)
	case isErrno(err, syscall.EACCES, wsaAccess):
		return problem.Wrap(problem.Forbidden, err, "Listening on %s: the system does not allow port %s. Choose one above 1023.", address, port)
	case isErrno(err, syscall.EADDRNOTAVAIL, wsaAddressNotHere):
		return problem.Wrap(problem.Unavailable, err, "Listening on %s: this computer does not have that address. Write 127.0.0.1 for this computer alone, or 0.0.0.0 for all its addresses.", address)
	}
	why := err
	if op, ok := errors.AsType[*net.OpError](err); ok {
		why = op.Err
	}
	return problem.Wrap(problem.Unavailable, err, "Listening on %s: %v. Write host:port, as 127.0.0.1:8080.", address, why)
}

// Windows reports numbers of its own, which package syscall does not fold into the names.
const (
	wsaAccess         = syscall.Errno(10013)
	wsaTooManyFiles   = syscall.Errno(10024)
	wsaAddressInUse   = syscall.Errno(10048)
	wsaAddressNotHere = syscall.Errno(10049)
)

func isErrno(err error, unix, windows syscall.Errno) bool {
	return errors.Is(err, unix) || errors.Is(err, windows)
}

// accept takes connections from a listener until it is closed.
func (s *Server) accept(b *bound) {
	s.running.Go(func() {
		var told time.Time
		for failed := 0; ; {
			conn, err := b.listener.Accept()
			if err == nil {
				if !s.places.take(b.done) { // those behind it wait in the system's queue meanwhile
					_ = conn.Close() // it was told nothing yet
					return
				}
				s.take(b, conn)
				continue
			}
			if b.gone.Load() {
				return
			}
			// The usual reason is that the process has no file descriptor left: wait for one.
			failed++
			if now := time.Now(); now.Sub(told) >= acceptFailing {
				s.options.Log.Warn(cannotAccept(err), "address", b.address, "attempts", failed, "error", err)
				told, failed = now, 0
			}
			if !pause(b.done, 100*time.Millisecond) {
				return
			}
		}
	})
}

// acceptFailing is how often it is told that no connection can be accepted.
const acceptFailing = 10 * time.Second

func cannotAccept(err error) string {
	switch {
	case isErrno(err, syscall.EMFILE, wsaTooManyFiles):
		return "no connection can be accepted, for this process has as many files open as it may: raise ulimit -n, or lower connections in [limits]"
	case errors.Is(err, syscall.ENFILE):
		return "no connection can be accepted, for all programs together have as many files open as the system allows: raise its limit (fs.file-max)"
	}
	return "no connection can be accepted just now"
}

func pause(done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return false
	case <-t.C:
		return true
	}
}

// take serves a connection that has its place.
func (s *Server) take(b *bound, conn net.Conn) {
	s.gate.accepted.Add(1)
	conn = socket.Accepted(conn)
	socket.BoundUnsent(conn)
	c := newClient(s, b, conn)
	s.mu.Lock()
	s.clients[c] = struct{}{}
	s.mu.Unlock()
	s.running.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.clients, c)
			s.mu.Unlock()
			s.places.give()
		}()
		c.serve()
	})
	if s.draining.Load() { // Shutdown may have looked before it was listed
		c.dismiss()
	}
}
