package export

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"proxycache/backend/flow"
)

// tree is a collection before it is written: heads only.
type tree struct {
	hosts []*host
	left  int // exchanges that a collection has no form for
}

// host is an origin: a scheme and an authority.
type host struct {
	name, base string // "shop.localhost:8080", "http://shop.localhost:8080"
	variable   string // the name of the variable that holds base
	root       *folder
}

type folder struct {
	name    string
	folders []*folder
	byName  map[string]*folder // the same
	items   []*item
}

// item is one request, however often it was sent.
type item struct {
	first   *flow.Record
	answers []*flow.Record // that differ
	more    int            // different answers beyond those
}

// mostAnswers is how many examples one request has.
const mostAnswers = 10

// planting is a tree that grows.
type planting struct {
	tree
	hosts     map[string]*host
	variables map[string]bool
	items     map[[sha256.Size]byte]*item
	answers   map[[sha256.Size]byte]bool
}

// plant reads all heads.
func (p *postman) plant() (*tree, error) {
	t := planting{
		hosts: map[string]*host{}, variables: map[string]bool{},
		items: map[[sha256.Size]byte]*item{}, answers: map[[sha256.Size]byte]bool{},
	}
	for r, err := range p.source.Records {
		if err != nil {
			return nil, err
		}
		fields := fieldsOf(r.RequestHead)
		if r.Door == flow.Tunnel || r.Status == 101 || r.TurnedAway() || upgradesToWebSocket(fields) {
			t.left++
			continue
		}
		kept := *r
		kept.Trail = nil // no part of a collection, and often longer than the rest
		t.add(&kept, endToEnd(r, fields))
	}
	return &t.tree, nil
}

func (t *planting) add(r *flow.Record, fields flow.Header) {
	request := sum(r.Method, r.Scheme, r.Authority, r.Target, r.RequestBody.Hash, fields)
	it := t.items[request]
	if it == nil {
		it = &item{first: r}
		t.items[request] = it
		f := t.host(r).root.at(r.Target)
		f.items = append(f.items, it)
	}
	answer := sum(string(request[:]), r.Status, r.ResponseBody.Hash)
	switch {
	case r.Status == 0 || t.answers[answer]:
	case len(it.answers) == mostAnswers:
		it.more++
	default:
		it.answers = append(it.answers, r)
	}
	t.answers[answer] = true
}

// sum tells things apart by all their parts.
func sum(parts ...any) [sha256.Size]byte { return sha256.Sum256(fmt.Appendf(nil, "%q", parts)) }

func (t *planting) host(r *flow.Record) *host {
	base := r.Scheme + "://" + r.Authority
	h := t.hosts[base]
	if h == nil {
		h = &host{name: r.Authority, base: base, variable: t.variable(r.Authority), root: &folder{}}
		if r.Scheme == "https" {
			h.name = base // beside one of the same name in the clear
		}
		t.hosts[base] = h
		t.tree.hosts = append(t.tree.hosts, h)
	}
	return h
}

// variable is a name for the host that no other host has, and that no captured text will have.
func (t *planting) variable(authority string) string {
	name := "url_" + strings.Trim(strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, authority), "_")
	free := name
	for n := 2; t.variables[free]; n++ {
		free = fmt.Sprintf("%s_%d", name, n)
	}
	t.variables[free] = true
	return free
}

// at finds or makes the folder of a target: its path without the last segment.
func (f *folder) at(target string) *folder {
	path, _, _ := strings.Cut(target, "?")
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for _, s := range segments[:len(segments)-1] {
		f = f.child(shown(s))
	}
	return f
}

func (f *folder) child(name string) *folder {
	inner := f.byName[name]
	if inner == nil {
		inner = &folder{name: name}
		if f.byName == nil {
			f.byName = map[string]*folder{}
		}
		f.byName[name] = inner
		f.folders = append(f.folders, inner)
	}
	return inner
}
