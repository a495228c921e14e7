package upstream

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Settings is a table [upstreams.NAME]: servers that do the same work. Two of them that are equal to
// reflect.DeepEqual make the same pool.
type Settings struct {
	Targets []Target `toml:"targets" title:"Targets" required:"true" max:"256" help:"The servers that do the work."`
	Host    string   `toml:"host" title:"Host field" default:"preserve" placeholder:"preserve" help:"What the server is told in Host: preserve is what the client asked for, upstream is the target's own name (development servers that refuse foreign hosts want it), anything else is sent as it stands."`
	SNI     string   `toml:"sni" title:"TLS server name" placeholder:"shop.example" help:"The name that TLS asks for and that the certificate must bear; empty is the target's own."`
	dialing
}

// Target is one server of a pool.
type Target struct {
	URL    string `toml:"url" title:"Address" required:"true" placeholder:"http://127.0.0.1:3000" help:"Where the server is: http:// or https://, with a path if everything is below it; demo: is the demo API."`
	Weight int    `toml:"weight" title:"Weight" default:"1" min:"1" max:"1000" help:"Its share of the requests, against the weights of the others."`
}

// Forward is the section [forward]: how the servers are reached that clients name themselves.
type Forward struct {
	dialing
}

// dialing is what every pool is told about its connections.
type dialing struct {
	CA              string          `toml:"ca" title:"Trusted authority" placeholder:"/etc/ssl/our-ca.pem" help:"A file with certificates (PEM) of an authority to trust besides the system's."`
	SkipVerify      bool            `toml:"skip_verify" title:"Skip verification" help:"Take any certificate. Whoever sits between can then read and change what is sent: only for servers of your own."`
	HTTP2           bool            `toml:"http2" title:"HTTP/2" default:"true" help:"Speak HTTP/2 with https servers that offer it. Without it, order and spelling of fields are kept there, too."`
	ConnectTimeout  schema.Duration `toml:"connect_timeout" title:"Connect timeout" default:"10s" min:"10ms" max:"10m" help:"How long finding the address, connecting and the TLS handshake may take together."`
	ResponseTimeout schema.Duration `toml:"response_timeout" title:"Response timeout" default:"0s" min:"0s" max:"1d" help:"How long the server may take to begin its answer once it has the whole request; 0s waits as long as the client does."`
	MaxIdle         int             `toml:"max_idle" title:"Idle connections" default:"64" min:"0" max:"10000" help:"How many unused connections to one server are kept for later requests."`
	IdleTimeout     schema.Duration `toml:"idle_timeout" title:"Idle timeout" default:"90s" min:"1s" max:"1d" help:"How long a connection is kept without use. Keep it below the server's own."`
}

// Check holds Host and SNI to what may stand on the wire.
func (s *Settings) Check() []*problem.Problem {
	var list []*problem.Problem
	if s.Host != "preserve" && s.Host != "upstream" && !isAuthority(s.Host) {
		list = append(list, problem.New(problem.Invalid, "%q is no Host: write preserve, upstream, or a name as in shop.example:8080", s.Host).At("host"))
	}
	if s.SNI != "" && !isName(s.SNI) {
		list = append(list, problem.New(problem.Invalid, "%q is no server name: write one as in shop.example, without a port", s.SNI).At("sni"))
	}
	return list
}

// Check says what is wrong with the address.
func (t *Target) Check() []*problem.Problem {
	if _, why := parseTarget(t.URL); why != "" {
		return []*problem.Problem{problem.New(problem.Invalid, "%q is no address of a server: %s", t.URL, why).At("url")}
	}
	return nil
}

const demoURL = "demo:"

// parseTarget reads the address of a target; why is empty when it is one. Of "demo:" only the text is
// checked.
func parseTarget(text string) (t target, why string) {
	if text == demoURL {
		return target{shown: "demo"}, ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Opaque != "":
		return t, "write it as http://127.0.0.1:3000"
	case u.Scheme != "http" && u.Scheme != "https":
		return t, "it begins with http:// or https://, or is demo:"
	case u.User != nil:
		return t, "a name and password do not belong here: send Authorization with a headers cell"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return t, "leave out what follows the path"
	case !isAuthority(u.Host):
		return t, "its host is missing or wrong: write it as http://127.0.0.1:3000"
	}
	t.origin = originOf(u.Scheme, u.Host)
	if n, err := strconv.ParseUint(t.port, 10, 16); err != nil || n == 0 {
		return t, "the port goes from 1 to 65535"
	}
	t.address = t.origin.address()
	t.shown = t.address
	t.field = u.Host
	t.base = strings.TrimRight(u.EscapedPath(), "/")
	return t, ""
}

// isAuthority tells whether s may stand in Host: a name or an address, and perhaps a port.
func isAuthority(s string) bool {
	host, port := flow.SplitAuthority(s)
	if strings.HasSuffix(s, ":") || strings.Trim(port, "0123456789") != "" {
		return false
	}
	if strings.HasPrefix(s, "[") {
		a, err := netip.ParseAddr(host)
		return err == nil && a.Is6()
	}
	return isName(host)
}

// isName keeps to what is sent in Host and in TLS without escaping.
func isName(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-._~") == ""
}

func (d dialing) connectTimeout() time.Duration  { return time.Duration(d.ConnectTimeout) }
func (d dialing) responseTimeout() time.Duration { return time.Duration(d.ResponseTimeout) }
func (d dialing) idleTimeout() time.Duration     { return time.Duration(d.IdleTimeout) }
