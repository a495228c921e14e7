package core

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"proxycache/backend/certs"
	"proxycache/backend/flow"
	"proxycache/backend/ingress"
	"proxycache/backend/problem"
)

// Status is what the status bar and the top bar show.
func (c *Core) Status(context.Context, Nothing) (Status, error) {
	stats := c.recorder.Stats()
	now := c.current.Load()
	s := Status{
		Version: c.options.Version, Listeners: c.listeners(), Recording: stats.Recording,
		Exchanges: c.total(), Lost: stats.Lost, Rate: stats.Rate, P99: stats.P99,
		DataDir: c.options.Dir, ConfigFile: c.options.Config, Database: c.store.Path(),
		Revision: now.revision, ConfigProblems: []Problem{}, Warnings: c.warnings(stats.Warning),
		Authority: authority(c.authority),
	}
	if list := c.broken.Load(); list != nil {
		s.ConfigProblems = toProblems(*list)
	}
	s.ProxyURL = c.proxyURL()
	return s, nil
}

func (c *Core) listeners() []Listener {
	out := []Listener{}
	for _, b := range c.ingress.Listeners() {
		out = append(out, Listener{Address: b.Address, Accept: append([]string{}, b.Accept...)})
	}
	if p := c.unbound.Load(); p != nil && len(out) == 0 {
		for _, l := range c.current.Load().document.Listen {
			out = append(out, Listener{Address: l.Address, Accept: append([]string{}, l.Accept...), Problem: p.Message})
		}
	}
	return out
}

// proxyURL is where a program on this computer reaches the first bound listener.
func (c *Core) proxyURL() string {
	bound := c.ingress.Listeners()
	if len(bound) == 0 {
		return ""
	}
	host, port := flow.SplitAuthority(bound[0].Address)
	if a, err := netip.ParseAddr(host); err != nil || a.IsUnspecified() {
		host = "127.0.0.1"
	} else if a.Is6() {
		host = "[" + host + "]"
	}
	return "http://" + host + ":" + port
}

// distrusted is a host whose certificate a program has refused.
type distrusted struct {
	host string
	at   time.Time
}

// distrustedFor is how long that is told. A program that people use tries again.
const distrustedFor = 10 * time.Minute

func (c *Core) warnings(capture *problem.Problem) []string {
	out := []string{}
	for _, b := range c.ingress.Listeners() {
		host, _ := flow.SplitAuthority(b.Address)
		if a, err := netip.ParseAddr(host); err == nil && !a.IsLoopback() {
			if why := exposed(b); why != "" {
				out = append(out, why)
			}
		}
	}
	if capture != nil {
		out = append(out, capture.Message)
	}
	for _, p := range append(c.ingress.LimitProblems(), c.ingress.CertificateProblems()...) {
		out = append(out, p.Message)
	}
	if d := c.untrusted.Load(); d != nil && time.Since(d.at) < distrustedFor {
		out = append(out, fmt.Sprintf("A program refused our certificate for %s. Trust the authority there: Settings, Certificate.", d.host))
	}
	return out
}

// exposed says what others on the network can do with a listener that is not on loopback; "" if that
// is nothing without its password.
func exposed(l ingress.Listener) string {
	proxies := slices.ContainsFunc(l.Accept, func(way string) bool { return way != "reverse" })
	switch {
	case proxies && l.Password == "":
		return fmt.Sprintf("Others on the network can use the proxy: %s is not a loopback address, and wants no password. Set a name and a password in Settings, Listeners.", l.Address)
	case slices.Contains(l.Accept, "reverse"):
		return fmt.Sprintf("Others on the network can use the proxy: %s is not a loopback address. It takes requests for your routes from everybody.", l.Address)
	}
	return ""
}

// AuthorityIn is the authority of a data folder, made when there is none yet, and its certificate as
// PEM. It needs no running core.
func AuthorityIn(dir string) (Authority, []byte, error) {
	a, err := certs.Open(filepath.Join(dir, "authority"))
	if err != nil {
		return Authority{}, nil, err
	}
	return authority(a), a.PEM(), nil
}

func authority(a *certs.Authority) Authority {
	return Authority{File: a.File(), Fingerprint: a.Fingerprint(), NotAfter: rfc3339(a.NotAfter())}
}
