package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Set are the certificates that Files held at one moment. It never changes.
type Set struct {
	all   []*loaded // in the order of the settings
	exact map[string][]*loaded
	below map[string][]*loaded // "shop.test" for "*.shop.test"
	sole  []*loaded            // those a client is shown that asks for another name; nil where names differ
}

// loaded is a pair as it is in force.
type loaded struct {
	certificate *tls.Certificate
	sum         [sha256.Size]byte // of the text it was read from
}

func newSet(all []*loaded) *Set {
	s := &Set{all: slices.Clone(all), exact: map[string][]*loaded{}, below: map[string][]*loaded{}}
	newest := slices.Clone(all)
	slices.SortStableFunc(newest, func(a, b *loaded) int {
		return b.certificate.Leaf.NotAfter.Compare(a.certificate.Leaf.NotAfter)
	})
	alike := true
	for _, l := range newest {
		names := namesOf(l.certificate.Leaf)
		alike = alike && slices.Equal(names, namesOf(newest[0].certificate.Leaf))
		for _, name := range names {
			if domain, wild := strings.CutPrefix(name, "*."); wild {
				s.below[domain] = append(s.below[domain], l)
			} else {
				s.exact[name] = append(s.exact[name], l)
			}
		}
	}
	if alike {
		s.sole = newest
	}
	return s
}

// namesOf are the hosts that a certificate is for, sorted. The common name is none: clients have
// stopped reading it (RFC 9110 §4.3.4).
func namesOf(leaf *x509.Certificate) []string {
	var out []string
	for _, name := range leaf.DNSNames {
		out = append(out, plain(name))
	}
	for _, ip := range leaf.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, a.Unmap().String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// plain folds the ways to write one host.
func plain(host string) string {
	host = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), "."))
	if a, err := netip.ParseAddr(host); err == nil {
		return a.WithZone("").Unmap().String()
	}
	return host
}

// For is the certificate for host, a name or an address: one that bears it, else one with a wildcard
// for its first label. Of several it is the newest that is valid now and that the client of hello can
// use. It is nil where no file is for host.
func (s *Set) For(hello *tls.ClientHelloInfo, host string) *tls.Certificate {
	host = plain(host)
	candidates := s.exact[host]
	if len(candidates) == 0 {
		_, domain, _ := strings.Cut(host, ".")
		candidates = s.below[domain]
	}
	return choose(hello, candidates)
}

// Sole is the certificate for clients that ask for a name which no file bears: there is one where all
// files are for the same names, and it is nil where a choice would be a guess.
func (s *Set) Sole(hello *tls.ClientHelloInfo) *tls.Certificate { return choose(hello, s.sole) }

func choose(hello *tls.ClientHelloInfo, from []*loaded) *tls.Certificate {
	if len(from) == 0 {
		return nil
	}
	unnamed := *hello
	unnamed.ServerName = "" // the name was looked at: SupportsCertificate would refuse a Sole one
	now := time.Now()
	for _, l := range from {
		valid := !now.Before(l.certificate.Leaf.NotBefore) && now.Before(l.certificate.Leaf.NotAfter)
		if valid && unnamed.SupportsCertificate(l.certificate) == nil {
			return l.certificate
		}
	}
	for _, l := range from {
		if unnamed.SupportsCertificate(l.certificate) == nil {
			return l.certificate
		}
	}
	return from[0].certificate // the handshake fails, and says why
}
