package core

import (
	"proxycache/backend/upstream"
)

// TargetFigure is how a pool stands with one target.
type TargetFigure struct {
	Target      string      `json:"target"` // "127.0.0.1:3000", as exchanges name it in sentTo
	Connections Connections `json:"connections"`

	// State is "healthy", "unhealthy", "ejected", "draining", "off", or "unknown" where nobody has looked.
	State           string         `json:"state"`
	Reason          string         `json:"reason"`          // of the state; "" when there is nothing to say
	Since           string         `json:"since"`           // RFC 3339; "" when it was never in another state
	Weight          int            `json:"weight"`          // as it was set
	EffectiveWeight float64        `json:"effectiveWeight"` // as it is now: less while it starts slowly
	InFlight        int64          `json:"inFlight"`        // exchanges that wait for its answer
	Latency         int64          `json:"latency"`         // moving average, microseconds; 0 for none
	Ejections       int            `json:"ejections"`
	Backup          bool           `json:"backup"` // only used while no other target can be
	History         []HealthChange `json:"history"`
}

// HealthChange is the moment when a target came into a state.
type HealthChange struct {
	At     string `json:"at"` // RFC 3339
	State  string `json:"state"`
	Reason string `json:"reason"`
}

func toTarget(t upstream.TargetStats) TargetFigure {
	out := TargetFigure{
		Target: t.Address, Connections: toConnections(t.Usage), State: stateOf(t.State), Reason: t.Reason,
		Weight: t.SetWeight, EffectiveWeight: t.Weight, InFlight: t.InFlight, Latency: t.EWMA.Microseconds(),
		Ejections: t.Ejections, Backup: t.Backup, History: []HealthChange{},
	}
	if len(t.History) > 0 {
		out.Since = rfc3339(t.Since)
	}
	for _, c := range t.History {
		out.History = append(out.History, HealthChange{rfc3339(c.At), stateOf(c.State), c.Reason})
	}
	return out
}

func stateOf(s upstream.State) string {
	if s == "" || s == upstream.Fresh {
		return "unknown"
	}
	return string(s)
}
