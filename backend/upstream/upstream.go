// Package upstream sends an exchange on: it picks a target, finds or opens a connection, speaks
// HTTP/1.1 or HTTP/2 with it, and hands the response back as it arrives.
package upstream

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/resolve"
)

// Options are what a pool needs of its surroundings.
type Options struct {
	Demo   string                    // the address that the target "demo:" stands for; "" where there is none
	Refuse func(netip.AddrPort) bool // addresses that are never dialled, asked after resolution; nil refuses none
	// Listens tells the addresses of our own listeners, which are no SOCKS5 proxy; nil knows none.
	Listens func(netip.AddrPort) bool
	// Resolver finds the addresses of names; nil is the system's.
	Resolver Resolver
	Folder   string // where relative paths of files begin: the configuration file's
	// Before is the pool of that name in the configuration before, or nil: what its targets have gone
	// through goes on. It is not changed.
	Before *Pool
}

// path is where a file of the settings is.
func (o Options) path(written string) string {
	if written == "" || filepath.IsAbs(written) {
		return written
	}
	return filepath.Join(o.Folder, written)
}

// Pool sends exchanges to its targets, or, made by NewForward, to where their clients said. Its
// methods may be called at any time by any goroutine.
type Pool struct {
	name      string
	forward   bool
	settings  dialing
	host      string // "preserve", "upstream", or what is sent
	sni       string
	balance   balance
	seats     []seat
	checks    []*check
	written   []HealthCheck // what checks are made of
	probe     func(context.Context, *target, *check) error
	refuse    func(netip.AddrPort) bool
	listens   func(netip.AddrPort) bool
	resolver  Resolver
	tls       *tls.Config
	proxy     *proxy // nil where targets are reached without
	lines     lines
	inForce   context.Context // ends with Rest or Close: what checks and compares the targets
	rest      context.CancelFunc
	pseudonym string // ours in Via: a request that bears it has been here before
	via       string // what a request that came by HTTP/1.1 bears
}

// New makes the pool called name. What the settings ask for and the machine does not have, such as
// the file of an authority, is a problem of kind Invalid or Unavailable.
func New(name string, s Settings, o Options) (*Pool, error) {
	p, err := build(name, s, o)
	if err != nil {
		return nil, err
	}
	p.start()
	return p, nil
}

// build makes a pool of which nothing runs yet.
func build(name string, s Settings, o Options) (*Pool, error) {
	p, err := newPool("upstreams."+name, s.dialing, o)
	if err != nil {
		return nil, err
	}
	p.name, p.host, p.sni = name, s.Host, s.SNI
	if err := p.prepare(s, o); err != nil {
		return nil, err
	}
	for i, written := range s.Targets {
		t, err := p.targetOf(written, o)
		if err != nil {
			return nil, problem.Of(err).At(fmt.Sprintf("upstreams.%s.targets.%d.url", name, i+1))
		}
		p.seat(t, i, written)
		t.site = p.lines.at(t.origin)
		t.site.fixed = true
		p.seats = append(p.seats, seat{written, t})
	}
	if len(p.seats) == 0 {
		return nil, problem.New(problem.Invalid, "the pool has no targets: name one as { url = \"http://127.0.0.1:3000\" }").At("upstreams." + name + ".targets")
	}
	p.begin(s, o.Before)
	return p, nil
}

// NewForward makes the pool of the exchanges whose clients name their target.
func NewForward(f Forward, o Options) (*Pool, error) {
	p, err := newPool("forward", f.dialing, o)
	if err != nil {
		return nil, err
	}
	p.forward, p.host = true, "preserve"
	return p, nil
}

func newPool(where string, s dialing, o Options) (*Pool, error) {
	s = s.from(o)
	p := &Pool{settings: s, refuse: o.Refuse, listens: o.Listens, resolver: o.Resolver, pseudonym: newPseudonym()}
	p.via = "1.1 " + p.pseudonym
	if p.refuse == nil {
		p.refuse = func(netip.AddrPort) bool { return false }
	}
	if p.listens == nil {
		p.listens = func(netip.AddrPort) bool { return false }
	}
	if p.resolver == nil {
		p.resolver = resolve.System{}
	}
	var err error
	if p.tls, err = tlsConfig(where, s); err != nil {
		return nil, err
	}
	if s.Proxy != "" {
		var why string
		if p.proxy, why = parseProxy(s); why != "" {
			return nil, problem.New(problem.Invalid, "%q is no address of a proxy: %s", withoutPassword(s.Proxy), why).At(where + ".proxy")
		}
		p.proxy.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.tls.RootCAs, ServerName: p.proxy.host}
		p.proxy.demo = originOf("http", o.Demo)
	}
	p.lines.open(s)
	p.inForce, p.rest = context.WithCancel(p.lines.over)
	p.lines.watched = p.watched
	return p, nil
}

// watched makes what looks the name of o up again, or nil where there is none or the proxy finds it.
func (p *Pool) watched(o origin) *names {
	if p.settings.ResolveEvery == 0 || !o.isName() || p.proxied(o) {
		return nil
	}
	return &names{resolver: p.resolver, host: o.host, every: time.Duration(p.settings.ResolveEvery)}
}

// newPseudonym is one a pool, not one a process: who comes in as a forward exchange and asks for our
// own reverse door passes two pools, and that is no loop.
func newPseudonym() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	return "proxycache-" + hex.EncodeToString(b[:])
}

// Rest ends the checks and the comparison of the targets. It is for a pool that is no longer in force
// and still finishes exchanges: their targets stay in the states they have, and the pool that follows
// asks by itself. It may be called several times, and Close comes after it.
func (p *Pool) Rest() { p.rest() }

// Close closes the connections that nobody uses. Those in use are closed when their exchange ends.
func (p *Pool) Close() error {
	p.lines.close()
	return nil
}

// Send sends x on and returns the response as soon as its head is there; the request body may still
// be on its way then. The response's Body must be closed. An error is a *problem.Problem; its kinds
// are those of the proxy path. Once x's context ends, the connection is closed and reads of the Body
// fail.
//
// Send reads x.Request.Body until the response ends and begins no Read after the response's Body was
// closed; one that has begun goes on until it returns.
func (p *Pool) Send(x *flow.Exchange) (*flow.Response, error) {
	x.Upstream, x.Target = p.name, ""
	x.TargetConn, x.Timing, x.Sent, x.Private = flow.Conn{}, flow.Timing{}, false, nil
	if p.loops(x) {
		return nil, problem.New(problem.Loop, "Sending %s %s: it has come back to the proxy that sent it. %s", x.Request.Method, x.Request.URL(), p.wayOut())
	}
	if x.Door == flow.Tunnel {
		return p.tunnel(x)
	}
	if p.forward {
		t := chosen(x)
		if bar := barred(x, t.shown); bar != nil {
			return nil, p.kept(t, bar)
		}
		t.site = p.lines.at(t.origin)
		response, _, err := p.sendTo(x, t, &effort{})
		return response, err
	}
	return p.sendToOne(x)
}

// another tells whether a target that could not be reached for this reason is a reason to try the next.
func another(err error) bool {
	switch problem.KindOf(err) {
	case problem.ClientLeft, problem.Forbidden:
		return false
	case problem.Overloaded:
		return errors.Is(err, errFull) // who has waited does not wait again
	}
	return true
}

// loops tells whether the request has passed this pool before (RFC 9110 §7.6.3).
func (p *Pool) loops(x *flow.Exchange) bool {
	for _, f := range x.Request.Header {
		if flow.EqualFold(f.Name, "Via") && strings.Contains(f.Value, p.pseudonym) {
			return true
		}
	}
	return false
}

// sendTo sends x to t. reached is false when t got nothing of it, or nothing but what may be sent again:
// another target can have it then, and what was read of its body is in e.
func (p *Pool) sendTo(x *flow.Exchange, t *target, e *effort) (response *flow.Response, reached bool, err error) {
	x.Target = t.shown
	x.Note("target", t.shown)
	l, err := p.line(x, t, idleOrNew, e)
	if err != nil {
		p.lines.failed(t.site, err)
		return nil, false, err
	}
	k := newCall(p, x, t)
	k.ahead = e.body
	response, err = l.send(k)
	if again, ok := err.(*stale); ok {
		if l, err = p.line(x, t, onlyNew, e); err != nil {
			e.keep(k)
			k.dropRequest()
			p.lines.failed(t.site, err)
			return nil, false, err
		}
		x.Note("again", again.Error())
		response, err = l.send(k)
		if again, ok := err.(*stale); ok {
			err = again.Problem
		}
	}
	k.dropRequest()
	if err != nil {
		p.lines.failed(t.site, err)
	}
	return response, true, err
}

// advice ends a message: for a pool with the setting to change, for a forward exchange with what its
// client can do.
func (p *Pool) advice(pool, forward string) string {
	if p.forward {
		return forward + "."
	}
	return fmt.Sprintf("%s of upstream %q.", pool, p.name)
}

// wayOut is what can be done about a loop.
func (p *Pool) wayOut() string {
	if p.proxy != nil {
		return fmt.Sprintf("Name another program as proxy in %s. %s", p.section(), p.advice("Or change the target", "Or ask for another address than the proxy's own"))
	}
	return p.advice("Change the target", "Ask for another address than the proxy's own")
}

// section is where the settings of the pool stand in the document.
func (p *Pool) section() string {
	if p.forward {
		return "[forward]"
	}
	return "[upstreams." + p.name + "]"
}
