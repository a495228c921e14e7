package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"proxycache/backend/filter"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// ways are what a listener can accept.
var ways = []string{"reverse", "forward", "connect", "socks5"}

// Check tells everything that stands against putting doc in force, in the order of the document.
// Variables are expanded for it as they will be when it runs.
func Check(doc *Document, c Catalogue) problem.List {
	expanded, list := doc.Expanded(os.LookupEnv)
	k := checker{catalogue: c, problems: list}
	k.document(expanded)
	return k.problems
}

type checker struct {
	catalogue Catalogue
	problems  problem.List
}

func (k *checker) fail(where, format string, args ...any) {
	k.problems = append(k.problems, problem.New(problem.Invalid, format, args...).At(where))
}

func (k *checker) add(list problem.List) { k.problems = append(k.problems, list...) }

func (k *checker) document(doc *Document) {
	switch {
	case doc.Version > Version:
		k.fail("version", "version %d was written by a newer Proxycache: this one reads version %d", doc.Version, Version)
		return
	case doc.Version < 1:
		k.fail("version", "there is no version %d: write version = %d", doc.Version, Version)
	}
	for _, t := range doc.Trusted {
		if !isNetwork(t) {
			k.fail("trusted", "%q is no network: write an address as 10.0.0.1, or a network as 10.0.0.0/8", t)
		}
	}
	for _, h := range doc.PassThrough {
		if name := strings.TrimPrefix(h, "*."); name == "" || strings.ContainsAny(name, "*/ :") && net.ParseIP(name) == nil {
			k.fail("pass_through", "%q is no host: write bank.example, or *.bank.example for all below it", h)
		}
	}
	k.listeners(doc.Listen, len(doc.Trusted) > 0)
	for name, s := range doc.Sections {
		if of, ok := k.catalogue.Sections[name]; ok {
			k.add(schema.Decode(name, s, of()))
		} else {
			k.add(problem.List{schema.Unknown("section", name, keys(k.catalogue.Sections)).At(name)})
		}
	}
	k.upstreams(doc.Upstreams)
	upstreams := make([]string, len(doc.Upstreams))
	for i, u := range doc.Upstreams {
		upstreams[i] = u.Name
	}
	k.cells("", doc.Cells, upstreams)
	k.routes(doc, upstreams)
}

func isNetwork(s string) bool {
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

func (k *checker) listeners(listen []Listen, trusted bool) {
	if len(listen) == 0 {
		k.fail("listen", "nothing is listened on: add [[listen]] with address = \"127.0.0.1:8080\"")
	}
	seen := map[string]bool{}
	for i, l := range listen {
		where := fmt.Sprintf("listen.%d", i+1)
		if why := wrongAddress(l.Address); why != "" {
			k.fail(where+".address", "%q is no address to listen on: %s", l.Address, why)
		} else if seen[l.Address] && !strings.HasSuffix(l.Address, ":0") {
			k.fail(where+".address", "%s is listened on twice: remove one of both", l.Address)
		}
		seen[l.Address] = true
		if len(l.Accept) == 0 {
			k.fail(where+".accept", `a listener accepts something: write accept = ["reverse", "forward", "connect", "socks5"]`)
		}
		for _, w := range l.Accept {
			if !slices.Contains(ways, w) {
				k.add(problem.List{schema.Unknown("way in", w, ways).At(where + ".accept")})
			}
		}
		if l.ProxyProtocol && !trusted {
			k.fail(where+".proxy_protocol", `nobody may connect: write the load balancer that sends the header into trusted, as in trusted = ["10.0.0.1"]`)
		}
		k.login(where, l)
	}
}

// longestLogin is what a name and a password may have of bytes: SOCKS5 counts them in one (RFC 1929).
const longestLogin = 255

func (k *checker) login(where string, l Listen) {
	switch {
	case l.Username != "" && l.Password == "":
		k.fail(where+".password", "a name without a password admits nobody: write password, or leave username away")
	case l.Username == "" && l.Password != "":
		k.fail(where+".username", "a password without a name admits nobody: write username, or leave password away")
	case strings.Contains(l.Username, ":"):
		k.fail(where+".username", "a name has no colon, which parts it from its password (RFC 7617): write one without")
	}
	for _, part := range []struct{ key, text string }{{"username", l.Username}, {"password", l.Password}} {
		if len(part.text) > longestLogin {
			k.fail(where+"."+part.key, "it has %d bytes; %d at most can be sent", len(part.text), longestLogin)
		}
		if strings.ContainsFunc(part.text, unicode.IsControl) {
			k.fail(where+"."+part.key, "it has a control character, which clients cannot send (RFC 7617): write letters, digits and signs")
		}
	}
	if l.Username != "" && !slices.ContainsFunc(l.Accept, func(way string) bool { return way != "reverse" }) {
		k.fail(where+".username", `nothing asks for it: requests to the proxy itself ("reverse") need no name and password`)
	}
}

func wrongAddress(a string) string {
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		return "write host:port, as in 127.0.0.1:8080"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "the port goes from 1 to 65535, or is 0 for any free one"
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "localhost" {
		return "the host is an address of this machine, as 127.0.0.1 or 0.0.0.0, or localhost"
	}
	return ""
}

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

func (k *checker) name(where, what, n string, seen map[string]bool) {
	switch {
	case !name.MatchString(n):
		k.fail(where, "%q is no name for %s: use up to 63 letters, digits, - and _", n, what)
	case seen[n]:
		k.fail(where, "there are two with the name %q: give one of both another", n)
	}
	seen[n] = true
}

func (k *checker) upstreams(list []Upstream) {
	seen := map[string]bool{}
	for _, u := range list {
		where := "upstreams." + u.Name
		k.name(where, "an upstream", u.Name, seen)
		k.add(schema.Decode(where, u.Settings, k.catalogue.Upstream()))
	}
}

func (k *checker) routes(doc *Document, upstreams []string) {
	seen := map[string]bool{}
	for _, r := range doc.Routes {
		where := "routes." + r.Name
		k.name(where+".name", "a route", r.Name, seen)
		if r.Name == "common" || r.Name == "upstream" || r.Name == "route" {
			k.fail(where+".name", "the name %q is reserved: choose another", r.Name)
		}
		k.condition(where+".when", r.When)
		if r.To != "" && !slices.Contains(upstreams, r.To) {
			k.add(problem.List{schema.Unknown("upstream", r.To, upstreams).At(where + ".to")})
		}
		for _, l := range r.Lenient {
			if _, ok := flow.ToleranceOf(l); !ok {
				k.add(problem.List{schema.Unknown("leniency", l, flow.ToleranceNames()).At(where + ".lenient")})
			}
		}
		k.cells(r.Name, r.Cells, upstreams)
	}
}

// sender is the settings of a module that sends exchanges to a pool of its own: key is where they name
// it, and pool is "" where they name none.
type sender interface{ SendsTo() (key, pool string) }

func (k *checker) cells(route string, cells []Cell, upstreams []string) {
	seen := map[string]bool{}
	for i, c := range cells {
		where := CellPath(route, i)
		k.name(where+".id", "a cell", c.ID, seen)
		k.condition(where+".when", c.When)
		m, ok := k.catalogue.Module(c.Use)
		if !ok {
			k.add(problem.List{schema.Unknown("module", c.Use, k.catalogue.Modules).At(where + ".use")})
			continue
		}
		settings := m.Settings()
		list := schema.Decode(where, c.Settings, settings)
		k.add(list)
		s, sends := settings.(sender)
		if !sends || len(list) > 0 {
			continue
		}
		if key, pool := s.SendsTo(); pool != "" && !slices.Contains(upstreams, pool) {
			k.add(problem.List{schema.Unknown("upstream", pool, upstreams).At(where + "." + key)})
		}
	}
}

// condition sees an exchange before its response is there.
func (k *checker) condition(where, text string) {
	e, err := filter.Parse(text)
	switch {
	case err != nil:
		p := problem.Of(err).At(where)
		p.Message = fmt.Sprintf("at character %d: %s", p.Column, p.Message)
		k.problems = append(k.problems, p)
	case filter.NeedsResponse(e):
		k.fail(where, "this looks at the response, which is not there yet when the condition is asked: use fields of the request")
	}
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
