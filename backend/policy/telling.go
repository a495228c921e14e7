package policy

import "context"

// Telling is a Policy with a state worth showing: on the comb, in the interface, among the metrics.
type Telling interface {
	// State is how it stands now. It is asked once a second and more, at any time, by any goroutine.
	State() State
}

// Level says how much a state wants to be seen.
type Level string

const (
	Calm  Level = "calm"
	Warn  Level = "warn"  // it works, and not as it should
	Alarm Level = "alarm" // it keeps exchanges from where they should go
)

// State is how a running cell stands.
type State struct {
	Summary string   `json:"summary"` // a few words: "open, 12 s left", "1 204 entries, 12 of 64 MiB"
	Level   Level    `json:"level"`
	Figures []Figure `json:"figures"`
}

// Figure is one number of a state. Names are snake_case and end in the unit, or in _total where they
// only grow: "bytes", "hits_total", "open_seconds_total".
type Figure struct {
	Name    string  `json:"name"`
	Help    string  `json:"help"` // one sentence
	Counter bool    `json:"counter"`
	Labels  []Label `json:"labels,omitempty"`
	Value   float64 `json:"value"`
}

// Label tells figures of one name apart.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Acting is a Policy that a person can do something with while it runs: purge a cache, close a breaker.
type Acting interface {
	Actions() []Action
	// Act does the action of that name; done is a sentence of what was done. What the arguments lack is
	// a problem whose Where is the argument's name.
	Act(ctx context.Context, name string, arguments map[string]string) (done string, err error)
}

// Action is something that can be done.
type Action struct {
	Name      string     `json:"name"`
	Title     string     `json:"title"`
	Help      string     `json:"help"` // one sentence
	Arguments []Argument `json:"arguments,omitempty"`
}

// Argument is what an action wants to know.
type Argument struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Help        string `json:"help"`
	Placeholder string `json:"placeholder,omitempty"`
	Required    bool   `json:"required,omitempty"`
	// Recorded: what a person writes is a filter, and the action gets the addresses of the recorded GET
	// requests that match it, each once, one a line.
	Recorded bool `json:"recorded,omitempty"`
}
