package upstream

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
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
	Targets        []Target      `toml:"targets" title:"Targets" required:"true" max:"256" help:"The servers that do the work."`
	Balance        string        `toml:"balance" title:"Balance" default:"weighted_round_robin" oneof:"round_robin,weighted_round_robin,least_conn,least_time,random,p2c,first,hash" help:"How a target is chosen: in turn, in turn by weight, the one with the fewest requests in flight, the one that answers soonest, by chance, the better of two by chance (p2c), the first that is well, or always the same for what hash names."`
	Hash           string        `toml:"hash" title:"Hash of" placeholder:"client_ip" help:"With balance = hash, what keeps to one target: client_ip, uri, header:NAME, cookie:NAME or query:NAME. Requests without it are sent in turn by weight."`
	Sticky         []Sticky      `toml:"sticky" title:"Sticky cookie" max:"1" help:"Clients come back to the target that answered them first, by a cookie."`
	SlowStart      []SlowStart   `toml:"slow_start" title:"Slow start" max:"1" help:"A target that has recovered, or joins others, gets its share of the requests little by little."`
	PanicThreshold int           `toml:"panic_threshold" title:"Panic threshold" default:"50" min:"0" max:"100" unit:"%" help:"When fewer of the targets than this are healthy, and no backup is, health is ignored: the few would break under the load of all. 0 never ignores it: with no healthy target requests are answered 503."`
	Health         []HealthCheck `toml:"health" title:"Health checks" max:"8" help:"What is asked of every target time and again; one that fails any of these gets no requests."`
	Outlier        []Outlier     `toml:"outlier" title:"Outlier ejection" max:"1" help:"Targets whose answers to ordinary requests are bad are left out for a while."`
	Host           string        `toml:"host" title:"Host field" default:"preserve" placeholder:"preserve" help:"What the server is told in Host: preserve is what the client asked for, upstream is the target's own name (development servers that refuse foreign hosts want it), anything else is sent as it stands. Through an HTTP proxy, http:// targets are asked for without a tunnel (CONNECT) only where this is upstream or the target's own name; some proxies open tunnels to port 443 alone."`
	SNI            string        `toml:"sni" title:"TLS server name" placeholder:"shop.example" help:"The name that TLS asks for and that the certificate must bear; empty is the target's own."`
	dialing
}

// Target is one server of a pool.
type Target struct {
	URL    string `toml:"url" title:"Address" required:"true" placeholder:"http://127.0.0.1:3000" help:"Where the server is: http:// or https://, with a path if everything is below it; h2c:// for HTTP/2 without TLS, as gRPC servers speak it; unix:/run/app.sock for a socket of this machine; demo: is the demo API."`
	Weight int    `toml:"weight" title:"Weight" default:"1" min:"1" max:"1000" help:"Its share of the requests, against the weights of the others."`
	Backup bool   `toml:"backup" title:"Backup" help:"It gets requests only while none of the others can take any."`
	State  string `toml:"state" title:"State" default:"active" oneof:"active,drain,off" help:"active takes requests, drain only those of clients that a sticky cookie binds to it, off none."`
}

// Forward is the section [forward]: how the servers are reached that clients name themselves.
type Forward struct {
	dialing
}

// dialing is what every pool is told about its connections.
type dialing struct {
	CA              string          `toml:"ca" title:"Trusted authority" placeholder:"/etc/ssl/our-ca.pem" help:"A file with certificates (PEM) of an authority to trust besides the system's. A relative path begins at the configuration file's folder."`
	ClientCert      string          `toml:"client_cert" title:"Client certificate" placeholder:"/etc/ssl/client.pem" help:"A file with the certificate (PEM) that is shown to servers that ask for one, with those of its authorities behind it."`
	ClientKey       string          `toml:"client_key" title:"Client key" placeholder:"/etc/ssl/client-key.pem" help:"A file with the private key (PEM) of the client certificate; empty is the file of the certificate."`
	SkipVerify      bool            `toml:"skip_verify" title:"Skip verification" help:"Take any certificate. Whoever sits between can then read and change what is sent: only for servers of your own."`
	HTTP2           bool            `toml:"http2" title:"HTTP/2" default:"true" help:"Speak HTTP/2 with https servers that offer it. Without it, order and spelling of fields are kept there, too."`
	Proxy           string          `toml:"proxy" title:"Proxy" placeholder:"http://127.0.0.1:3128" help:"Reach the servers through another proxy: http://, https:// or socks5://, with name:password@ before the host if it asks for them. It looks their names up. Sockets of this machine and the demo API are reached without it."`
	NoProxy         []string        `toml:"no_proxy" title:"Not through the proxy" placeholder:"localhost" max:"256" help:"Servers reached without the proxy: names, *.example for all below a name, addresses, and networks as 10.0.0.0/8. Names are compared as written, not looked up. This machine is none of them unless it is listed."`
	ConnectTimeout  schema.Duration `toml:"connect_timeout" title:"Connect timeout" default:"10s" min:"10ms" max:"10m" help:"How long finding the address, connecting and the TLS handshake may take together."`
	ResponseTimeout schema.Duration `toml:"response_timeout" title:"Response timeout" default:"0s" min:"0s" max:"1d" help:"How long the server may take to begin its answer once it has the whole request; 0s waits as long as the client does."`
	MaxConnections  int             `toml:"max_connections" title:"Connections" default:"0" min:"0" max:"100000" help:"How many connections to one server may be open at once; 0 sets no limit. Requests wait in a queue beyond it. HTTP/2 carries many requests on one."`
	Queue           int             `toml:"queue" title:"Queue" default:"1024" min:"0" max:"1000000" help:"How many requests may wait for a connection to one server; more are answered 503 at once."`
	QueueTimeout    schema.Duration `toml:"queue_timeout" title:"Queue timeout" default:"10s" min:"1ms" max:"1h" help:"How long a request may wait for a connection; then it is answered 503."`
	MaxIdle         int             `toml:"max_idle" title:"Idle connections" default:"64" min:"0" max:"10000" help:"How many unused connections to one server are kept for later requests."`
	IdleTimeout     schema.Duration `toml:"idle_timeout" title:"Idle timeout" default:"90s" min:"1s" max:"1d" help:"How long a connection is kept without use. Keep it below the server's own."`
	ResolveEvery    schema.Duration `toml:"resolve_every" title:"Look up again" default:"30s" min:"0s" max:"1d" help:"How often the name of a server in use is looked up again; sooner where its answer holds for less (TTL). Connections to addresses that are no longer among the answers are not used again; 0s keeps them."`
}

// Check holds Host and SNI to what may stand on the wire.
func (s *Settings) Check() []*problem.Problem {
	list := append(s.dialing.Check(), s.checkBalance()...)
	if s.Host != "preserve" && s.Host != "upstream" && !isAuthority(s.Host) {
		list = append(list, problem.New(problem.Invalid, "%q is no Host: write preserve, upstream, or a name as in shop.example:8080", s.Host).At("host"))
	}
	if s.SNI != "" && !isName(s.SNI) {
		list = append(list, problem.New(problem.Invalid, "%q is no server name: write one as in shop.example, without a port", s.SNI).At("sni"))
	}
	for i, sticky := range s.Sticky {
		// Max-Age counts seconds, and 0 of them removes the cookie (RFC 6265 §5.2.2).
		if sticky.TTL > 0 && sticky.TTL < schema.Duration(time.Second) {
			list = append(list, problem.New(problem.Invalid, "ttl is %s, and the lifetime of a cookie counts whole seconds: write 1s or more, or 0s until the browser is closed", sticky.TTL).At(fmt.Sprintf("sticky.%d.ttl", i+1)))
		}
	}
	return list
}

// Check says what is wrong with the proxy.
func (d *dialing) Check() []*problem.Problem {
	var list []*problem.Problem
	alone := dialing{Proxy: d.Proxy}
	if d.Proxy != "" {
		if _, why := parseProxy(alone); why != "" {
			list = append(list, problem.New(problem.Invalid, "%q is no address of a proxy: %s", withoutPassword(d.Proxy), why).At("proxy"))
		}
	}
	for i, entry := range d.NoProxy {
		if _, ok := parseBypass(entry); !ok {
			list = append(list, problem.New(problem.Invalid, "%q is no server: write a name, *.example, an address, or a network as 10.0.0.0/8", entry).At(fmt.Sprintf("no_proxy.%d", i+1)))
		}
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
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return parseSocket(path)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Opaque != "":
		return t, "write it as http://127.0.0.1:3000 or unix:/run/app.sock"
	case u.Scheme == "grpc" || u.Scheme == "grpcs":
		return t, "gRPC is HTTP/2: write h2c:// without TLS, and https:// with it"
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "h2c":
		return t, "it begins with http://, https://, h2c:// or unix:/, or is demo:"
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
	t.field = u.Host
	t.base = strings.TrimRight(u.EscapedPath(), "/")
	t.shown = t.address + t.base
	return t, ""
}

// maxSocketPath is what the address of a Unix socket has room for where it has most.
const maxSocketPath = 107

// parseSocket reads the path of a Unix socket, taken as it stands; "unix:///run/app.sock" is
// "unix:/run/app.sock".
func parseSocket(path string) (t target, why string) {
	if strings.HasPrefix(path, "///") {
		path = path[2:]
	}
	switch {
	case !strings.HasPrefix(path, "/") && !filepath.IsAbs(path) || strings.HasPrefix(path, "//"):
		return t, "a socket is named by its whole path: unix:/run/app.sock"
	case len(path) > maxSocketPath:
		return t, fmt.Sprintf("the path of a socket has at most %d characters", maxSocketPath)
	case strings.ContainsRune(path, 0):
		return t, "a path has no character zero"
	}
	t.origin = origin{scheme: "unix", host: path}
	t.address = t.origin.address()
	t.shown, t.field = t.address, "localhost"
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
