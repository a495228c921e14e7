package upstream

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"proxycache/backend/flow"
)

// proxy is what a pool reaches its targets through: by CONNECT, by SOCKS5, or, plain HTTP by an HTTP
// proxy, with requests in the absolute form (RFC 9112 §3.2.2).
type proxy struct {
	origin        // scheme "http", "https" or "socks5"
	shown  string // without name and password
	user   *url.Userinfo
	basic  string      // for Proxy-Authorization; "" without a name
	tls    *tls.Config // to the proxy itself
	direct []bypass
	demo   origin // our own demo API, which no proxy reaches
}

// proxyPorts are those of a proxy whose address names none.
var proxyPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080"}

// parseProxy reads the settings of a proxy; why is empty when they are right.
func parseProxy(s dialing) (p *proxy, why string) {
	u, err := url.Parse(s.Proxy)
	switch {
	case err != nil, u.Opaque != "", u.Host == "":
		return nil, "write it as http://127.0.0.1:3128 or socks5://127.0.0.1:1080"
	case proxyPorts[u.Scheme] == "":
		return nil, "it begins with http://, https:// or socks5://"
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, "leave out what follows the port"
	case !isAuthority(u.Host):
		return nil, "its host is wrong: write it as http://127.0.0.1:3128"
	}
	p = &proxy{origin: originOf(u.Scheme, u.Host), user: u.User}
	if u.Port() == "" {
		p.port = proxyPorts[u.Scheme]
	}
	if n, err := strconv.ParseUint(p.port, 10, 16); err != nil || n == 0 {
		return nil, "the port goes from 1 to 65535"
	}
	p.shown = u.Scheme + "://" + p.address()
	if u.User != nil {
		password, _ := u.User.Password()
		p.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	for _, entry := range s.NoProxy {
		b, ok := parseBypass(entry)
		if !ok {
			return nil, fmt.Sprintf("%q in no_proxy is no host, *.domain or network", entry)
		}
		p.direct = append(p.direct, b)
	}
	return p, ""
}

// withoutPassword is the address of a proxy as messages show it.
func withoutPassword(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if at := strings.LastIndexByte(rest, '@'); ok && at >= 0 {
		return scheme + "://…" + rest[at:]
	}
	return text
}

// bypass is an entry of no_proxy.
type bypass struct {
	host   string // "localhost"; "" for the others
	suffix string // ".example" of "*.example" and ".example"
	net    netip.Prefix
}

func parseBypass(text string) (b bypass, ok bool) {
	text = strings.ToLower(text)
	if n, err := netip.ParsePrefix(text); err == nil {
		return bypass{net: n.Masked()}, true
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return bypass{net: netip.PrefixFrom(a, a.BitLen())}, true
	}
	if suffix := strings.TrimPrefix(text, "*"); strings.HasPrefix(suffix, ".") {
		return bypass{suffix: suffix}, isName(suffix[1:])
	}
	return bypass{host: text}, isName(text)
}

func (b bypass) has(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return b.net.IsValid() && b.net.Contains(a.Unmap().WithZone(""))
	}
	host = strings.TrimSuffix(host, ".")
	return b.host != "" && host == b.host || b.suffix != "" && strings.HasSuffix(host, b.suffix)
}

// proxied tells whether o is reached through the proxy.
func (p *Pool) proxied(o origin) bool {
	if p.proxy == nil || o.scheme == "unix" || o == p.proxy.demo {
		return false
	}
	for _, b := range p.proxy.direct {
		if b.has(o.host) {
			return false
		}
	}
	return true
}

// absolute tells whether requests to t are given to the proxy in the absolute form, not sent through
// it, as a rule. Only what names t in Host, too, can be asked for so (RFC 9112 §3.2.2).
func (p *Pool) absolute(t *target) bool {
	return t.scheme == "http" && p.proxy != nil && p.proxy.scheme != "socks5" && p.proxied(t.origin) &&
		(p.forward || p.host == "upstream" || p.host == t.field)
}

// asksProxy tells whether x is given to the proxy in the absolute form. An upgrade is sent through it, and
// so is what is told another Host than leads to t.
func (p *Pool) asksProxy(x *flow.Exchange, t *target) bool {
	return p.absolute(t) && !asksUpgrade(x.Request) && p.hostFor(x, t) == t.field && originOf(t.scheme, t.field) == t.origin
}

// setsApart tells whether x needs a tunnel where connections that are kept are none.
func (p *Pool) setsApart(x *flow.Exchange, t *target) bool {
	return p.absolute(t) && !p.asksProxy(x, t)
}
