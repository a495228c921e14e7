package ingress

import (
	"fmt"
	"time"

	"proxycache/backend/problem"
)

// Figures are what clients take, and what was refused them, since the server began.
type Figures struct {
	HTTP1, HTTP2, Tunnels int   // open connections by what they carry; WebSockets and event streams are with the tunnels
	Places                int   // how many connections may be open
	Accepted              int64 // connections
	Waited                int64 // of them, for a place
	OverPerClient         int64 // connections refused for connections_per_client
	OverInFlight          int64 // requests refused for in_flight
	InFlight, Highest     int64 // requests being answered, and the most at once
}

// Figures reads them.
func (s *Server) Figures() Figures {
	g := &s.gate
	f := Figures{
		Accepted: g.accepted.Load(), InFlight: g.inFlight.Load(), Highest: g.highest.Load(),
		OverPerClient: g.overPerClient.total.Load(), OverInFlight: g.overInFlight.total.Load(),
	}
	f.Places, f.Waited = s.places.read()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		switch c.stage.Load() {
		case shared:
			f.HTTP2++
		case endless:
			f.Tunnels++
		default:
			f.HTTP1++
		}
	}
	return f
}

// Left is what a shutdown still waits for.
type Left struct {
	Requests int // that have an end of their own
	Endless  int // tunnels, upgraded connections and event streams, which end with the last of those
}

// Left counts them.
func (s *Server) Left() Left {
	var l Left
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		switch c.stage.Load() {
		case working:
			l.Requests++
		case endless:
			l.Endless++
		case shared:
			running, endless := c.streams.count()
			l.Requests += running - endless
			l.Endless += endless
		}
	}
	return l
}

// DrainTime is how long a shutdown should let requests end (drain).
func (s *Server) DrainTime() time.Duration { return time.Duration(s.limits.Load().Drain) }

// LimitProblems tell which limits turned clients away lately.
func (s *Server) LimitProblems() problem.List {
	g := &s.gate
	var list problem.List
	tell := func(r *turnedAway, what, limit string) {
		if total, last := r.total.Load(), r.last.Load(); total > 0 && time.Since(time.Unix(0, last)) < refusedFor {
			list = append(list, problem.New(problem.Unavailable, "%s refused (503): over %s = %d. If they should pass, raise it in Settings, Limits.", howMany(total, what), limit, r.over.Load()).At("limits."+limit))
		}
	}
	tell(&g.overPerClient, "connection", "connections_per_client")
	tell(&g.overInFlight, "request", "in_flight")
	return list
}

func howMany(n int64, what string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s was", what)
	}
	return fmt.Sprintf("%d %ss were", n, what)
}
