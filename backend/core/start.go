package core

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"proxycache/backend/config"
	"proxycache/backend/demo"
	"proxycache/backend/engine"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/programs"
	"proxycache/backend/replay"
)

// Ports are the local ports on which a program listens now; our own are marked.
func (c *Core) Ports(ctx context.Context, _ Nothing) ([]Port, error) {
	found, err := c.local.Listening(ctx)
	if err != nil {
		return nil, err
	}
	out := []Port{}
	for _, p := range found {
		out = append(out, Port{
			Port: p.Port, Address: p.Address, PID: p.PID, Process: p.Process, Detail: p.Detail, HTTP: p.HTTP,
			Ours: p.PID == os.Getpid(),
		})
	}
	return out, nil
}

// PutInFront makes a route and a pool in front of a server, named by its port, its address or a URL.
// Asking again for the same server gives the route that stands.
func (c *Core) PutInFront(_ context.Context, target string) (Fronted, error) {
	u, err := serverURL(target)
	if err != nil {
		return Fronted{}, err
	}
	name := frontName(u)
	var out Fronted
	out.Revision, err = c.edit(func(doc *config.Document) error {
		for _, r := range doc.Routes {
			if standsBefore(doc, r, u.String()) && r.Name == name {
				out.Route = r.Name
				return nil
			}
		}
		out.Route = freeRoute(doc, name)
		upstream := freeUpstream(doc, name)
		doc.Upstreams = append(doc.Upstreams, config.Upstream{Name: upstream, Settings: config.Settings{
			"targets": []any{map[string]any{"url": u.String()}},
		}})
		doc.Routes = slices.Insert(doc.Routes, 0, config.Route{
			Name: out.Route, When: "host = " + quote(out.Route+".localhost"), To: upstream,
			Cells: []config.Cell{{ID: "requestid", Use: "requestid"}},
		})
		return nil
	})
	if err != nil {
		return Fronted{}, err
	}
	_, port := flow.SplitAuthority(strings.TrimPrefix(c.proxyURL(), "http://"))
	out.URL = "http://" + out.Route + ".localhost:" + port
	return out, nil
}

func serverURL(target string) (*url.URL, error) {
	target = strings.TrimSpace(target)
	text := target
	switch _, err := strconv.Atoi(strings.TrimPrefix(target, ":")); {
	case err == nil:
		text = "http://localhost:" + strings.TrimPrefix(target, ":")
	case !strings.Contains(target, "://"):
		text = "http://" + target
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, problem.New(problem.Invalid, "Putting it in front of %q: that is not a port, an address or a URL. Write 3000, 127.0.0.1:3000 or https://host.", target)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, problem.New(problem.Invalid, "Putting it in front of %q: %s is not a port. Ports go from 1 to 65535.", target, port)
		}
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimSuffix(u.Path, "/"), "", ""
	return u, nil
}

// frontName is what the route is called: the host for a remote one, "port-3000" for a local one.
func frontName(u *url.URL) string {
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); host == "localhost" || err == nil && a.IsLoopback() {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		return "port-" + port
	}
	return routeName(host)
}

func standsBefore(doc *config.Document, r config.Route, target string) bool {
	for _, u := range doc.Upstreams {
		if u.Name != r.To {
			continue
		}
		targets, _ := u.Settings["targets"].([]any)
		for _, t := range targets {
			if m, ok := t.(map[string]any); ok && m["url"] == target {
				return true
			}
		}
	}
	return false
}

func freeUpstream(doc *config.Document, base string) string {
	taken := map[string]bool{}
	for _, u := range doc.Upstreams {
		taken[u.Name] = true
	}
	return free(base, taken)
}

// Probe tells which route would take a request, and why the others would not. A request to the proxy
// itself is a reverse one; one to any other host comes from a client that uses it as its proxy.
func (c *Core) Probe(ctx context.Context, p RouteProbe) (RouteAnswer, error) {
	m := replay.Message{Method: p.Method, URL: p.URL, Body: flow.NoBody}
	if !strings.Contains(p.URL, "://") {
		m.URL = "http://" + strings.TrimPrefix(p.URL, "//")
		if strings.HasPrefix(p.URL, "/") && !strings.HasPrefix(p.URL, "//") {
			m.URL = strings.TrimSuffix(c.ownURL(), "/") + p.URL
		}
	}
	door := flow.Forward
	if c.isOwn(m.URL) {
		door = flow.Reverse
	}
	x, err := replay.Exchange(ctx, m, &flow.Record{Door: door})
	if err != nil || !isHost(x.Request.Authority, strings.Contains(p.URL, "://")) {
		return RouteAnswer{}, problem.New(problem.Invalid, "This is no request. Write a method and a path or a URL, as in GET /v1/items or POST https://example.com/.").At("url")
	}
	out := RouteAnswer{Others: []RouteReason{}}
	var others []engine.Reason
	out.Route, others = c.engine.Probe(x)
	for _, r := range others {
		out.Others = append(out.Others, RouteReason(r))
	}
	return out, nil
}

// ownURL is the proxy's address, or where it would be if it listened.
func (c *Core) ownURL() string {
	if own := c.proxyURL(); own != "" {
		return own
	}
	return "http://localhost"
}

// isOwn tells whether a request to that URL comes to the proxy itself: its host is that of a listener, or
// a name below localhost.
func (c *Core) isOwn(target string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.HasSuffix(host, ".localhost") {
		return true
	}
	here, isAddress := netip.ParseAddr(host)
	return slices.ContainsFunc(c.listeners(), func(l Listener) bool {
		at, bound := flow.SplitAuthority(l.Address)
		if port != "" && port != bound {
			return false
		}
		address, err := netip.ParseAddr(at)
		switch {
		case isAddress != nil:
			return host == "localhost" || host == strings.ToLower(at)
		case err != nil || address.IsUnspecified():
			return here.IsLoopback()
		}
		return here == address
	})
}

// isHost tells whether authority can be one that a person means: an address, or a name of letters, digits
// and dashes. Without a scheme in front a word alone is none.
func isHost(authority string, schemed bool) bool {
	host, port := flow.SplitAuthority(authority)
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	odd := strings.IndexFunc(host, func(r rune) bool {
		return r < 0x80 && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.", r))
	})
	return odd < 0 && (schemed || strings.EqualFold(host, "localhost") || strings.Contains(strings.Trim(host, "."), ".") || port != "")
}

// programRuns are the programs started from here.
type programRuns struct {
	mu   sync.Mutex
	runs map[string]*programs.Running
}

func (p *programRuns) open(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	run := p.runs[id]
	if run == nil {
		return false
	}
	select {
	case <-run.Done:
		return false
	default:
		return true
	}
}

func (p *programRuns) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range p.runs {
		run.Stop()
	}
}

// Programs are the browsers that can be started with their traffic passing through here.
func (c *Core) Programs(context.Context, Nothing) ([]Program, error) {
	out := []Program{}
	for _, p := range programs.Find() {
		out = append(out, Program{ID: p.ID, Name: p.Name, Installed: p.Installed, Running: c.launched.open(p.ID)})
	}
	return out, nil
}

// Launch starts a program with a profile of its own.
func (c *Core) Launch(_ context.Context, id string) (Nothing, error) {
	proxy := c.proxyURL()
	if proxy == "" {
		return Nothing{}, problem.New(problem.Unavailable, "Starting %s: the proxy is not listening, so its traffic could not pass. Mend the listen address first.", id)
	}
	found := programs.Find()
	i := slices.IndexFunc(found, func(p programs.Program) bool { return p.ID == id })
	if i < 0 {
		return Nothing{}, problem.New(problem.NotFound, "Starting %q: it is not among the known programs.", id)
	}
	if c.launched.open(id) {
		return Nothing{}, problem.New(problem.Conflict, "Starting %s: the one started here is still open. Use its window, or close it first.", id)
	}
	run, err := programs.Launch(c.background, found[i], programs.Setup{
		ProxyAddress: strings.TrimPrefix(proxy, "http://"), SPKI: c.authority.SPKI(),
		ProfileDir: filepath.Join(c.options.Dir, "profiles", id), StartURL: proxy + "/",
	})
	if err != nil {
		return Nothing{}, err
	}
	c.launched.mu.Lock()
	defer c.launched.mu.Unlock()
	if c.launched.runs == nil {
		c.launched.runs = map[string]*programs.Running{}
	}
	c.launched.runs[id] = run
	return Nothing{}, nil
}

// TerminalLine is the line to paste that sends a terminal's programs through here.
func (c *Core) TerminalLine(_ context.Context, shell string) (TerminalLine, error) {
	proxy := c.proxyURL()
	if proxy == "" {
		return TerminalLine{}, problem.New(problem.Unavailable, "Making the line: the proxy is not listening. Mend the listen address first.")
	}
	bundle := filepath.Join(c.options.Dir, "authority", "bundle.pem")
	if err := programs.WriteBundle(bundle, c.authority.PEM()); err != nil {
		return TerminalLine{}, err
	}
	set, unset, err := programs.TerminalLine(shell, proxy, c.authority.File(), bundle)
	if err != nil {
		return TerminalLine{}, err
	}
	return TerminalLine{Shell: shell, Set: set, Unset: unset}, nil
}

// tourLength is how long the demo tour takes.
const tourLength = 30 * time.Second

// tour is the demo tour, at most one at a time.
type tour struct {
	mu      sync.Mutex
	cancel  context.CancelFunc
	done    chan struct{}
	state   Demo
	started time.Time
	told    bool // the last state was told as news
}

// StartDemo begins the tour through the proxy; a running one goes on.
func (c *Core) StartDemo(context.Context, Nothing) (Nothing, error) {
	proxy := c.proxyURL()
	if proxy == "" {
		return Nothing{}, problem.New(problem.Unavailable, "Starting the tour: the proxy is not listening. Mend the listen address first.")
	}
	t := &c.tour
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state.Running {
		return Nothing{}, nil
	}
	ctx, cancel := context.WithCancel(c.background)
	t.cancel, t.done, t.started, t.told = cancel, make(chan struct{}), time.Now(), false
	t.state = Demo{Running: true, Length: tourLength.Seconds(), Steps: []DemoStep{}}
	done := t.done
	c.running.Go(func() {
		defer close(done)
		err := demo.Tour(ctx, proxy, tourLength, t.progress)
		t.end(err)
	})
	return Nothing{}, nil
}

// StopDemo ends the tour now.
func (c *Core) StopDemo(context.Context, Nothing) (Nothing, error) {
	c.tour.stop()
	return Nothing{}, nil
}

func (t *tour) stop() {
	t.mu.Lock()
	cancel, done := t.cancel, t.done
	t.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

func (t *tour) progress(p demo.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = false
	t.state.Requests = p.Requests
	t.state.Steps = []DemoStep{}
	for _, s := range p.Steps {
		t.state.Steps = append(t.state.Steps, DemoStep{Title: s.Title, State: string(s.State), Result: s.Result})
	}
}

func (t *tour) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancel()
	t.state.Running, t.told = false, false
	t.state.Elapsed = min(time.Since(t.started).Seconds(), tourLength.Seconds())
	if err != nil && !errors.Is(err, context.Canceled) {
		t.state.Steps = append(t.state.Steps, DemoStep{Title: "The tour ended early", State: "failed", Result: err.Error()})
	}
}

// changed is the state when there is news of it.
func (t *tour) changed() *Demo {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel == nil || t.told {
		return nil
	}
	if t.state.Running {
		t.state.Elapsed = time.Since(t.started).Seconds()
	} else {
		t.told = true
	}
	state := t.state
	state.Steps = slices.Clone(state.Steps)
	return &state
}
