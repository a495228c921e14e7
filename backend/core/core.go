package core

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/bus"
	"proxycache/backend/certs"
	"proxycache/backend/config"
	"proxycache/backend/demo"
	"proxycache/backend/engine"
	"proxycache/backend/ingress"
	"proxycache/backend/modules"
	"proxycache/backend/ports"
	"proxycache/backend/problem"
	"proxycache/backend/record"
	"proxycache/backend/store"
	"proxycache/backend/upstream"
)

// Options say where a Core lives.
type Options struct {
	Dir     string // everything is kept here
	Config  string // the configuration file; "" for config.toml in Dir
	Version string
	Log     *slog.Logger
	// Resolver finds the addresses of the servers that pools name; nil is the system's.
	Resolver upstream.Resolver
}

// Core is the running product: the parts of DESIGN §2 wired together.
type Core struct {
	options   Options
	log       *slog.Logger
	lock      *store.Lock
	store     *store.Store
	authority *certs.Authority
	demo      *demo.Server
	engine    *engine.Engine
	recorder  *record.Recorder
	ingress   *ingress.Server
	file      *config.File

	News bus.Bus[News]

	applying  sync.Mutex // one change of the configuration at a time
	current   atomic.Pointer[inForce]
	broken    atomic.Pointer[problem.List] // of the file on disk, while an older one is in force
	unbound   atomic.Pointer[problem.Problem]
	refused   atomic.Pointer[map[netip.AddrPort]bool] // addresses that must not be dialled: our own doors
	untrusted atomic.Pointer[distrusted]              // the last one

	tour     tour
	launched programRuns
	local    ports.Finder
	likes    preferenceFile
	gone     atomic.Bool // rows went or came back since the last news
	meters   meters

	background context.Context
	stop       context.CancelFunc
	running    sync.WaitGroup
}

// inForce is the configuration that runs.
type inForce struct {
	revision string
	text     []byte
	document *config.Document
}

// Open starts everything that works without a listener: the store, the authority, the demo API, the
// configuration. What is wrong with the configuration file or an address is in the Status, not an
// error: the window must open to mend it.
func Open(o Options) (*Core, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Config == "" {
		o.Config = filepath.Join(o.Dir, "config.toml")
	}
	c := &Core{options: o, log: o.Log}
	c.background, c.stop = context.WithCancel(context.Background())
	if err := c.open(); err != nil {
		c.stop()
		return nil, errors.Join(err, c.closeParts(c.background))
	}
	c.start()
	return c, nil
}

// DefaultDir is the folder of this user: the system's place for configuration, or PROXYCACHE_DIR.
func DefaultDir() (string, error) {
	if dir := os.Getenv("PROXYCACHE_DIR"); dir != "" {
		return dir, nil
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return "", problem.Wrap(problem.Unavailable, err, "Finding your configuration folder: %v. Name one with --dir or PROXYCACHE_DIR.", err)
	}
	return filepath.Join(base, "proxycache"), nil
}

func (c *Core) open() error {
	o := c.options
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return problem.Wrap(problem.Unavailable, err, "Making the folder %s: %v. Choose another with --dir.", o.Dir, err)
	}
	var err error
	if c.lock, err = store.Hold(filepath.Join(o.Dir, "lock.db")); err != nil {
		return err
	}
	if c.store, err = store.Open(filepath.Join(o.Dir, "traffic.db")); err != nil {
		return err
	}
	if c.authority, err = certs.Open(filepath.Join(o.Dir, "authority")); err != nil {
		return err
	}
	if c.demo, err = demo.Start(c.log); err != nil {
		return err
	}
	if c.file, err = config.Open(o.Config); err != nil {
		return err
	}
	c.likes.path = filepath.Join(o.Dir, "preferences.json")
	c.engine = engine.New(engine.Options{
		Module: modules.Lookup, Demo: c.demo.Addr(), Refuse: c.refuses, Listens: c.listens, Folder: filepath.Dir(o.Config), Resolver: o.Resolver, Data: filepath.Join(o.Dir, "cells"), Log: c.log,
	})
	return c.openTraffic()
}

// openTraffic reads the configuration and opens the proxy path with it.
func (c *Core) openTraffic() error {
	text, revision := c.file.Read()
	doc, running, list := c.load(text)
	if wrong := list; len(wrong) > 0 { // a variable of its own: list is used again below
		c.broken.Store(&wrong)
		c.log.Error("the configuration is not usable; the built-in one is in force", "file", c.options.Config, "problems", list.Error())
		text, revision = config.Default(), ""
		if doc, running, list = c.load(text); len(list) > 0 {
			return problem.Wrap(problem.Internal, list, "Reading the built-in configuration: %v", list)
		}
	}
	settings, err := recordSettings(running)
	if err != nil {
		return err
	}
	c.recorder, err = record.New(record.Options{Next: c.engine, Store: c.store, Settings: settings, Log: c.log})
	if err != nil {
		return err
	}
	c.ingress = ingress.New(ingress.Options{
		Handler: c.recorder, TurnedAway: c.recorder.TurnedAway, Authority: c.authority, Folder: filepath.Dir(c.options.Config), Owner: ports.Owner, Log: c.log,
		Distrusted: func(host, _ string) { c.untrusted.Store(&distrusted{host, time.Now()}) },
	})
	listening, err := ingressSettings(running)
	if err != nil {
		return err
	}
	plan, err := c.engine.Prepare(running)
	if err != nil {
		return err
	}
	c.engine.Swap(plan)
	c.current.Store(&inForce{revision: revision, text: text, document: doc})
	if err := c.ingress.Configure(listening); err != nil {
		c.unbound.Store(problem.Of(err))
		c.log.Error("not listening", "error", err)
	}
	return nil
}

func (c *Core) start() {
	c.running.Go(func() { c.tellNews(c.background) })
	c.running.Go(func() { c.watchConfig(c.background) })
}

// Left is what Close still waits for.
func (c *Core) Left() ingress.Left { return c.ingress.Left() }

// DrainTime is how long the settings let exchanges that run take when everything ends.
func (c *Core) DrainTime() time.Duration { return c.ingress.DrainTime() }

// writing is how long what was captured may take to be written when everything ends.
const writing = 10 * time.Second

// Close ends everything in the order of the traffic: doors first, the store last. Running exchanges
// have until ctx ends; what was captured is written all the same.
func (c *Core) Close(ctx context.Context) error {
	c.stop()
	c.running.Wait()
	c.tour.stop()
	c.launched.stop()
	return c.closeParts(ctx)
}

func (c *Core) closeParts(ctx context.Context) error {
	var errs []error
	if c.ingress != nil {
		errs = append(errs, c.ingress.Shutdown(ctx))
	}
	if c.engine != nil {
		c.engine.Close()
	}
	if c.recorder != nil {
		writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), writing)
		errs = append(errs, c.recorder.Close(writing))
		cancel()
	}
	if c.store != nil {
		errs = append(errs, c.store.Close())
	}
	if c.demo != nil {
		errs = append(errs, c.demo.Close())
	}
	if c.lock != nil {
		errs = append(errs, c.lock.Release())
	}
	return errors.Join(errs...)
}

// Refuse adds an address that the proxy will never dial: the door that serves this core.
func (c *Core) Refuse(address netip.AddrPort) {
	all := map[netip.AddrPort]bool{address: true}
	if old := c.refused.Load(); old != nil {
		for a := range *old {
			all[a] = true
		}
	}
	c.refused.Store(&all)
}

func (c *Core) refuses(a netip.AddrPort) bool {
	all := c.refused.Load()
	if all == nil {
		return false
	}
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	for r := range *all {
		if a.Port() == r.Port() && (a.Addr().IsLoopback() || a.Addr().IsUnspecified() || a.Addr() == r.Addr() || r.Addr().IsUnspecified() && upstream.OwnAddress(a.Addr())) {
			return true
		}
	}
	return false
}

// listens tells whether a leads to one of the proxy's listeners.
func (c *Core) listens(a netip.AddrPort) bool {
	for _, l := range c.ingress.Listeners() {
		at, err := netip.ParseAddrPort(l.Address)
		if err == nil && leads(netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())) {
			return true
		}
	}
	return false
}

// leads tells whether who connects to a comes to a listener at that address.
func leads(a, listener netip.AddrPort) bool {
	switch {
	case a.Port() != listener.Port():
		return false
	case listener.Addr().IsUnspecified():
		return upstream.OwnAddress(a.Addr())
	case a.Addr().IsUnspecified(): // which is this machine (RFC 1122 §3.2.1.3)
		return listener.Addr().IsLoopback()
	}
	return a.Addr() == listener.Addr()
}

// Unbound says why an address of the configuration is not listened on; nil when all are.
func (c *Core) Unbound() error {
	if p := c.unbound.Load(); p != nil {
		return p
	}
	return nil
}

// Nothing is the argument or the answer of a call that has none.
type Nothing struct{}

func toProblem(p *problem.Problem) *Problem {
	if p == nil {
		return nil
	}
	return &Problem{Kind: string(p.Kind), Where: p.Where, Message: p.Message, Line: p.Line, Column: p.Column}
}

func toProblems(list problem.List) []Problem {
	out := make([]Problem, 0, len(list))
	for _, p := range list {
		out = append(out, *toProblem(p))
	}
	return out
}

// ProblemOf is err as it crosses to a person.
func ProblemOf(err error) Problem {
	var list problem.List
	if errors.As(err, &list) && len(list) > 0 {
		return *toProblem(list[0])
	}
	return *toProblem(problem.Of(err))
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
