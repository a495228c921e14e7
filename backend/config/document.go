// Package config is the document a person writes: read, checked, edited in place, watched.
package config

import "proxycache/backend/policy"

// Settings are values as the document holds them: string, int64, float64, bool, []any and
// map[string]any. The struct they belong to gives them meaning (see schema).
type Settings = map[string]any

// Document is the whole configuration as a value: what TOML, JSON and the window speak about.
type Document struct {
	Version int `json:"version"`
	// Trusted are the networks (CIDR or address) whose forwarding fields are believed.
	Trusted []string `json:"trusted"`
	// PassThrough are hosts ("bank.example", "*.bank.example") whose CONNECT is tunnelled, not opened.
	PassThrough []string `json:"passThrough"`
	Listen      []Listen `json:"listen"`
	// Sections are the top-level tables with a schema of their own, by name: "capture", "forward".
	// Wails cannot spell a map of maps by itself.
	Sections  map[string]Settings `json:"sections" ts_type:"{[key: string]: {[key: string]: any}}"`
	Upstreams []Upstream          `json:"upstreams"` // [upstreams.NAME], in the order of the file
	Cells     []Cell              `json:"cells"`     // apply to every route, before its own
	Routes    []Route             `json:"routes"`    // the first that matches takes the exchange
}

// Listen is one address and what it accepts: "reverse", "forward", "connect", "socks5".
type Listen struct {
	Address string   `json:"address"`
	Accept  []string `json:"accept"`
	// ProxyProtocol: a load balancer in Trusted says at each connection's start who the client is.
	ProxyProtocol bool `json:"proxyProtocol"`
	// Username and Password are wanted from those who use it as a proxy; both are empty where none are.
	Username string `json:"username"`
	Password string `json:"password"`
}

// Upstream is a named pool.
type Upstream struct {
	Name     string   `json:"name"`
	Settings Settings `json:"settings"`
}

// Route takes the exchanges that its condition matches and sends them through its cells to a pool.
type Route struct {
	Name string `json:"name"`
	When string `json:"when"` // a filter; "" matches everything
	To   string `json:"to"`   // a pool's name; "" when its cells answer everything
	Off  bool   `json:"off"`
	// Lenient names the faults of form (flow.Tolerance) that its HTTP/1 messages may have.
	Lenient []string `json:"lenient"`
	Cells   []Cell   `json:"cells"`
}

// Cell is one module at work.
type Cell struct {
	// ID is unique among the cells of its route (or among the common ones). Where the file has no
	// `id` it is the module's name, and "headers-2" for the second one; it is then not written.
	ID       string   `json:"id"`
	Use      string   `json:"use"`
	When     string   `json:"when"`
	Off      bool     `json:"off"`
	Settings Settings `json:"settings"`
}

// Catalogue is what the checker needs to know of the parts that settings belong to. The functions
// return a new pointer to a tagged struct with its zero values.
type Catalogue struct {
	Module   func(name string) (policy.Module, bool)
	Modules  []string // the names, for suggestions
	Upstream func() any
	Sections map[string]func() any
}
