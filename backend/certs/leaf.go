package certs

import (
	"container/list"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/netip"
	"strings"
	"sync"
	"time"

	"proxycache/backend/problem"
)

const (
	// leafLifetime stays below the 200 days above which clients refuse (CA/Browser Forum, since 2026),
	// backdate included.
	leafLifetime = 180 * 24 * time.Hour
	// renewBefore is how long before its end a leaf is made anew.
	renewBefore = 30 * 24 * time.Hour
	// keptLeaves bounds the cache; one takes about 2 KB.
	keptLeaves = 1000
	// longestHost is the upper bound of a domain name (RFC 1035 §2.3.4).
	longestHost = 253
)

// Leaf is the certificate for a host: a domain name or an IP address, an IPv6 one with or without
// brackets. It is kept and given again until 30 days before its end. The error is a problem of kind
// Invalid when host is neither. The chain holds the authority too.
func (a *Authority) Leaf(host string) (*tls.Certificate, error) {
	host = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), "."))
	return a.leaves.get(host, a.mint)
}

func (a *Authority) mint(host string) (*tls.Certificate, error) {
	template, err := leafTemplate(host)
	if err != nil {
		return nil, err
	}
	if template.NotAfter.After(a.certificate.NotAfter) { // no chain is longer valid than its root
		template.NotAfter = a.certificate.NotAfter
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, problem.Wrap(problem.Internal, err, "Making a certificate for %s: no key could be made: %v.", host, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, problem.Wrap(problem.Internal, err, "Making a certificate for %s: it could not be signed: %v.", host, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, problem.Wrap(problem.Internal, err, "Making a certificate for %s: it cannot be read again: %v.", host, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

func leafTemplate(host string) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: serial, NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLifetime),
		BasicConstraintsValid: true, // CA:FALSE
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(host) <= longestName {
		t.Subject = pkix.Name{CommonName: host}
	}
	if address, err := netip.ParseAddr(host); err == nil {
		t.IPAddresses = append(t.IPAddresses, address.WithZone("").Unmap().AsSlice())
		return t, nil
	}
	if !isHost(host) {
		return nil, problem.New(problem.Invalid, "Making a certificate for %q: that is neither a host name nor an IP address. Write international names in their xn-- form.", host)
	}
	t.DNSNames = []string{host}
	return t, nil
}

// isHost lets pass what clients ask for, underscores too, and nothing that a name in a certificate
// must not hold.
func isHost(s string) bool {
	if s == "" || len(s) > longestHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// leaves keeps the certificates used last. Two that ask for the same host at once share one minting.
type leaves struct {
	mu    sync.Mutex
	byKey map[string]*list.Element
	order list.List // of *kept, the last used in front
}

// kept is a certificate that is there or on its way.
type kept struct {
	host        string
	ready       chan struct{} // closed when the two below hold
	certificate *tls.Certificate
	err         error
}

func (l *leaves) get(host string, mint func(string) (*tls.Certificate, error)) (*tls.Certificate, error) {
	k, mine := l.find(host)
	if !mine {
		<-k.ready
		return k.certificate, k.err
	}
	k.certificate, k.err = mint(host)
	close(k.ready)
	if k.err != nil {
		l.forget(k)
	}
	return k.certificate, k.err
}

// find gives the kept certificate, or a new place that its caller has to fill.
func (l *leaves) find(host string) (k *kept, mine bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.byKey[host]; ok {
		if k := at.Value.(*kept); k.good() {
			l.order.MoveToFront(at)
			return k, false
		}
		l.drop(at)
	}
	if l.byKey == nil {
		l.byKey = map[string]*list.Element{}
	}
	k = &kept{host: host, ready: make(chan struct{})}
	l.byKey[host] = l.order.PushFront(k)
	if l.order.Len() > keptLeaves {
		l.drop(l.order.Back())
	}
	return k, true
}

// good tells that a certificate is still far from its end; one on its way is new.
func (k *kept) good() bool {
	select {
	case <-k.ready:
		return k.err == nil && time.Until(k.certificate.Leaf.NotAfter) > renewBefore
	default:
		return true
	}
}

func (l *leaves) forget(k *kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.byKey[k.host]; ok && at.Value == k {
		l.drop(at)
	}
}

func (l *leaves) drop(at *list.Element) {
	l.order.Remove(at)
	delete(l.byKey, at.Value.(*kept).host)
}
