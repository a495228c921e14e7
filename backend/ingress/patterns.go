package ingress

import (
	"net/netip"
	"strings"

	"proxycache/backend/problem"
)

// patterns are a list of hosts: those to pass through, those to make certificates for.
type patterns struct {
	hosts     map[string]bool
	suffixes  []string // ".bank.example", for "*.bank.example"
	addresses map[netip.Addr]bool
}

func newPatterns() patterns {
	return patterns{hosts: map[string]bool{}, addresses: map[netip.Addr]bool{}}
}

func readPatterns(list []string) (patterns, error) {
	p := newPatterns()
	for _, text := range list {
		if !p.add(text) {
			return patterns{}, problem.New(problem.Invalid, "Passing hosts through: %q is neither a host nor an address. Write bank.example, *.bank.example or 10.0.0.1.", text).At("pass_through")
		}
	}
	return p, nil
}

// add tells whether text is a host, every host below one, or an address.
func (p *patterns) add(text string) bool {
	host := plainHost(text)
	suffix, below := strings.CutPrefix(host, "*")
	switch a, err := netip.ParseAddr(host); {
	case err == nil:
		p.addresses[a.Unmap()] = true
	case below && strings.HasPrefix(suffix, ".") && len(suffix) > 1 && !strings.ContainsAny(suffix, "*/: "):
		p.suffixes = append(p.suffixes, suffix)
	case host == "" || strings.ContainsAny(host, "*/: "):
		return false
	default:
		p.hosts[host] = true
	}
	return true
}

// match tells whether host, as a client names it, is in the list.
func (p patterns) match(host string) bool {
	host = plainHost(host)
	if p.hosts[host] {
		return true
	}
	for _, s := range p.suffixes {
		if strings.HasSuffix(host, s) && len(host) > len(s) {
			return true
		}
	}
	a, err := netip.ParseAddr(host)
	return err == nil && p.addresses[a.Unmap()]
}

// plainHost folds the ways to write one host: case, the root's dot, an IPv6 address's brackets.
func plainHost(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "["), "]")
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
