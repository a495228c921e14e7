// Package policy says what a module is and what it tells of itself.
//
// The life of a module: it is listed (Module), its settings are made with their defaults
// (Module.Settings), filled from the document and checked (schema tags, then Checker), turned into a
// running policy (Settings.Policy), used by many exchanges at once (Policy.Apply), and closed
// (io.Closer) after the last exchange of its plan has ended.
package policy

import (
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// Next hands the exchange to the rest of the pipeline. It may be called at most once, except by a
// module whose task is to repeat, and not after Apply has returned. A fork of the exchange may be
// handed on at any time, by any goroutine; when the configuration it came in with is closed it fails.
type Next func(*flow.Exchange) (*flow.Response, error)

// Policy decides one thing about an exchange: it answers; or it changes the request and hands it on;
// or it changes the response on its way back. Many goroutines call Apply at once. An error goes back
// unchanged towards the client, and becomes an answer in the engine.
type Policy interface {
	Apply(x *flow.Exchange, next Next) (*flow.Response, error)
}

// OneWay is a Policy that has nothing to do on the way back: it answers, or gives neither a response
// nor an error and lets the exchange go on. The engine runs such cells one after another, where others
// lie within each other.
type OneWay func(x *flow.Exchange) (*flow.Response, error)

func (enter OneWay) Apply(x *flow.Exchange, next Next) (*flow.Response, error) {
	if response, err := enter(x); response != nil || err != nil {
		return response, err
	}
	return next(x)
}

// Settings is what a user may set: a pointer to a plain tagged struct (see schema) that can become
// a policy. It is not changed after its check.
type Settings interface {
	// Explain says the settings in one sentence without a full stop: "sets 2 request headers, removes Server".
	Explain() string
	// Policy makes the running policy. What fails here fails before anything is applied.
	Policy(Env) (Policy, error)
}

// Checker is a Settings with rules across its fields. Where is relative to the cell: "status".
type Checker interface {
	Check() []*problem.Problem
}

// Stage is the part of the pipeline a module belongs to; the comb tints by it.
type Stage string

const (
	Identify Stage = "identify"
	Guard    Stage = "guard"
	Shape    Stage = "shape"
	Serve    Stage = "serve"
	Balance  Stage = "balance"
	Observe  Stage = "observe"
)

// Module is one entry of the palette.
type Module struct {
	Name    string // in the document: use = "headers"
	Title   string // for people: "Headers"
	Summary string // one sentence
	Icon    string // a Lucide name: "list-plus"
	Stage   Stage
	// Figure names the live figure of the cell: what its count of acted exchanges is called on the
	// comb, "changed", "mocked", "aborted".
	Figure   string
	Settings func() Settings
}

// Env is what a policy may use of its surroundings.
type Env struct {
	Cell  string // the cell's id: "shop-api/mock"
	Log   *slog.Logger
	keep  *Keep
	data  string // the folder of all cells; "" where nothing is kept on the disk
	pools []string
}

// In is env with a folder for what cells keep on the disk, and the names of the pools.
func (e Env) In(data string, pools []string) Env {
	e.data, e.pools = data, pools
	return e
}

// HasPool tells whether an exchange can be sent to the pool of that name.
func (e Env) HasPool(name string) bool { return slices.Contains(e.pools, name) }

// Dir is a folder of the cell's own, made when it is first asked for, which stays when the program
// ends.
func (e Env) Dir() (string, error) {
	if e.data == "" {
		return "", problem.New(problem.Unavailable, "Finding a folder for %s: nothing is kept on the disk here. Choose another store", e.Cell)
	}
	dir := filepath.Join(e.data, url.PathEscape(e.Cell))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", problem.Wrap(problem.Unavailable, err, "Making the folder of %s: %v. Make room or give leave to write there", e.Cell, err)
	}
	return dir, nil
}

// NewEnv is for the engine and for tests. A nil keep keeps nothing beyond the policy.
func NewEnv(cell string, log *slog.Logger, keep *Keep) Env {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if keep == nil {
		keep = &Keep{}
	}
	return Env{Cell: cell, Log: log, keep: keep}
}
