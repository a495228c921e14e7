package ingress

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// Change is one step from the settings in force to others, all of which has been made ready. It waits for
// Commit or Undo, one of which must be called; nobody else can change the settings, or shut the server down,
// before.
type Change struct {
	server *Server
	rules  *rules
	limits Limits
	tls    *terminator // nil where the one in force stays

	before  []*bound
	after   []*bound
	ways    []*ways  // of after
	fresh   []*bound // of after: newly bound
	going   []*bound // of before: not of after
	stopped []*bound // of going: closed early, because their port was needed
}

// Configure puts settings in force, or tells why that cannot be: then nothing has changed.
func (s *Server) Configure(n Settings) error {
	c, err := s.Prepare(n)
	if err != nil {
		return err
	}
	c.Commit()
	return nil
}

// Prepare makes settings ready: files are read and new addresses are bound. When one of them fails, nothing
// has changed, and the problem says who holds the port. Nobody is accepted on them before Commit.
func (s *Server) Prepare(n Settings) (*Change, error) {
	s.configuring.Lock()
	c, err := s.prepare(n)
	if err != nil {
		s.configuring.Unlock()
		return nil, err
	}
	return c, nil
}

func (s *Server) prepare(n Settings) (*Change, error) {
	if s.draining.Load() {
		return nil, problem.New(problem.Unavailable, "Listening: the proxy is being closed. Start it again.")
	}
	pass, err := readPatterns(n.PassThrough)
	if err != nil {
		return nil, err
	}
	secure, err := s.terminator(n.TLS)
	if err != nil {
		return nil, err
	}
	c := &Change{
		server: s, rules: &rules{pass: pass, trusted: append([]netip.Prefix{}, n.Trusted...)}, limits: n.Limits, tls: secure, before: s.bound,
	}
	if err := c.keep(n.Listen); err != nil {
		_ = c.undo() // nothing was bound yet
		return nil, err
	}
	if i, err := c.listen(n.Listen); err != nil {
		l := n.Listen[i]
		ours := c.has(l.Address)
		_ = c.undo() // the first error is the one to tell, and undo has logged its own
		// Only now, when clients are accepted again: to find who holds a port takes a while.
		p := s.bindProblem(l.Address, err)
		if ours {
			_, port := flow.SplitAuthority(l.Address)
			p = problem.Wrap(problem.Conflict, err, "Listening on %s: another listener of this proxy has port %s. Take one of them away, or choose another port.", l.Address, port)
		}
		return nil, p.At(fmt.Sprintf("listen.%d.address", i+1))
	}
	return c, nil
}

// Commit puts the settings in force. Listeners that are gone stop accepting; their open connections end with
// the answer to their next request.
func (c *Change) Commit() {
	s := c.server
	defer s.configuring.Unlock()
	if c.tls != nil {
		if before := s.tls.Swap(c.tls); before != nil {
			before.files.Close()
		}
	}
	s.limit(c.limits)
	s.rules.Store(c.rules)
	for i, b := range c.after {
		b.ways.Store(c.ways[i])
	}
	s.mu.Lock()
	s.bound = c.after
	s.mu.Unlock()
	for _, b := range c.fresh {
		s.accept(b)
	}
	for _, old := range c.before {
		if !slices.Contains(c.after, old) {
			old.close()
		}
	}
}

// Undo goes back to the settings in force. The error is a listener of theirs whose port was needed and could
// not be taken back.
func (c *Change) Undo() error {
	defer c.server.configuring.Unlock()
	return c.undo()
}

func (c *Change) undo() (lost error) {
	if c.tls != nil {
		c.tls.files.Close()
	}
	for _, b := range c.fresh {
		b.close()
	}
	s := c.server
	failed := map[*bound]error{}
	for _, old := range c.stopped {
		again, err := s.bind(old.listener.Addr().String())
		if err != nil {
			failed[old] = err
			c.before = slices.DeleteFunc(slices.Clone(c.before), func(b *bound) bool { return b == old })
			continue
		}
		again.address = old.address
		again.ways.Store(old.ways.Load())
		c.before = slices.Clone(c.before)
		c.before[slices.Index(c.before, old)] = again
		s.accept(again)
	}
	s.mu.Lock()
	s.bound = c.before
	s.mu.Unlock()
	for old, err := range failed {
		lost = s.bindProblem(old.address, err)
		s.options.Log.Error("not listening any more", "address", old.address, "error", lost)
	}
	return lost
}

// keep finds the listeners that stay.
func (c *Change) keep(on []Listener) error {
	c.going = slices.Clone(c.before)
	c.after, c.ways = make([]*bound, len(on)), make([]*ways, len(on))
	for i, l := range on {
		w, err := readWays(fmt.Sprintf("listen.%d", i+1), l)
		if err != nil {
			return err
		}
		c.ways[i] = w
		if k := slices.IndexFunc(c.going, func(b *bound) bool { return b.address == l.Address }); k >= 0 {
			c.after[i] = c.going[k]
			c.going = slices.Delete(c.going, k, k+1)
		}
	}
	return nil
}

// listen binds the addresses that are new. A port that one of our own listeners still holds, which is to
// go, is taken over from it: from 127.0.0.1:8080 to 0.0.0.0:8080. That comes last, for it cannot be undone
// without a moment in which clients are refused. The error is of the address on[i].
func (c *Change) listen(on []Listener) (i int, err error) {
	var over []int
	for i, l := range on {
		if c.after[i] != nil {
			continue
		}
		switch err := c.bind(i, l.Address); {
		case err == nil:
		case isErrno(err, syscall.EADDRINUSE, wsaAddressInUse) && len(c.holding(l.Address)) > 0:
			over = append(over, i)
		default:
			return i, err
		}
	}
	for _, i := range over {
		for _, old := range c.holding(on[i].Address) {
			old.close()
			c.stopped = append(c.stopped, old)
		}
		if err := c.bind(i, on[i].Address); err != nil {
			return i, err
		}
	}
	return 0, nil
}

func (c *Change) bind(i int, address string) error {
	b, err := c.server.bind(address)
	if err != nil {
		return err
	}
	c.after[i] = b
	c.fresh = append(c.fresh, b)
	return nil
}

// holding are those that are to go and are in the way of an address.
func (c *Change) holding(address string) []*bound { return inTheWay(c.going, address) }

// has tells whether one that stays, or is new too, is in the way of an address.
func (c *Change) has(address string) bool { return len(inTheWay(c.after, address)) > 0 }

func inTheWay(all []*bound, address string) (found []*bound) {
	for _, b := range all {
		if b != nil && !b.gone.Load() && collide(b.listener.Addr().String(), address) {
			found = append(found, b)
		}
	}
	return found
}

// collide tells whether two addresses cannot be listened on both; a name may be any.
func collide(a, b string) bool {
	host, port := flow.SplitAuthority(a)
	other, same := flow.SplitAuthority(b)
	one, err := netip.ParseAddr(host)
	two, named := netip.ParseAddr(other)
	return port == same && (err != nil || named != nil || one == two || one.IsUnspecified() || two.IsUnspecified())
}
