package core

import (
	"strings"

	"proxycache/backend/engine"
	"proxycache/backend/metrics"
	"proxycache/backend/policy"
	"proxycache/backend/upstream"
)

// Metrics are all figures of this moment, for Prometheus.
func (c *Core) Metrics() []metrics.Family {
	out := measured(c.engine.Measures())
	pools := c.engine.Pools()
	out = append(append(out, connections(pools)...), targets(pools)...)
	out = append(out, states(c.engine.States())...)
	return append(out, c.doorsAndCapture()...)
}

// The upper bounds of classic buckets, in seconds.
var (
	exchangeBounds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	cellBounds     = []float64{1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, .001, .01, .1, 1, 10}
)

// answers are the kinds of engine.Measure.Answers.
var answers = [...]string{"cut", "1xx", "2xx", "3xx", "4xx", "5xx", "other"}

// measured are the figures of routes, cells, pools and targets.
func measured(measures []engine.Measure) []metrics.Family {
	routes := counterOf("proxycache_route_requests_total", `Exchanges of a route by the class of their status. The route "" is those that no route took; code "cut" is a connection cut on purpose.`)
	routeTime := durationsOf("proxycache_route_duration_seconds", "Time from the arrival of a request's head until the head of its answer was there.", exchangeBounds)
	lastByte := durationsOf("proxycache_route_last_byte_seconds", "Time from the arrival of a request's head until the last byte of its answer was given to the client, or the answer broke off. Connections that go on in another protocol are left out.", exchangeBounds)
	cells := counterOf("proxycache_cell_requests_total", "Exchanges that came by a cell, by what it did: passed them on unchanged (or was not meant), acted, or failed.")
	cellTime := durationsOf("proxycache_cell_duration_seconds", "A cell's own time with an exchange, on the way there and back, each time it comes by.", cellBounds)
	pools := counterOf("proxycache_pool_requests_total", `Exchanges sent to a pool, by outcome. The pool "" is that of the targets that clients name.`)
	poolTime := durationsOf("proxycache_pool_response_seconds", "Time from when a pool had an exchange until the head of the target's answer was there, with the wait for a connection.", exchangeBounds)
	targets := counterOf("proxycache_target_requests_total", "Exchanges sent to a target, by outcome.")
	targetTime := durationsOf("proxycache_target_response_seconds", "As proxycache_pool_response_seconds, by target.", exchangeBounds)
	for _, m := range measures {
		if name, ok := strings.CutPrefix(m.Name, "route/"); ok {
			for i, n := range m.Answers {
				if n > 0 {
					routes.Add(float64(n), "route", name, "code", answers[i])
				}
			}
			routeTime.AddDurations(m.Duration, "route", name)
			lastByte.AddDurations(m.LastByte, "route", name)
			continue
		}
		name, isPool := strings.CutPrefix(m.Name, "upstream/")
		switch {
		case isPool && m.Target != "":
			targets.Add(float64(m.Acted), "pool", name, "target", m.Target, "outcome", "answered")
			targets.Add(float64(m.Failed), "pool", name, "target", m.Target, "outcome", "failed")
			targetTime.AddDurations(m.Duration, "pool", name, "target", m.Target)
		case isPool:
			pools.Add(float64(m.Acted), "pool", name, "outcome", "answered")
			pools.Add(float64(m.Failed), "pool", name, "outcome", "failed")
			poolTime.AddDurations(m.Duration, "pool", name)
		default:
			cells.Add(float64(m.Passed), "cell", m.Name, "outcome", "passed")
			cells.Add(float64(m.Acted), "cell", m.Name, "outcome", "acted")
			cells.Add(float64(m.Failed), "cell", m.Name, "outcome", "failed")
			cellTime.AddDurations(m.Duration, "cell", m.Name)
		}
	}
	return []metrics.Family{routes, routeTime, lastByte, cells, cellTime, pools, poolTime, targets, targetTime}
}

// connections are the figures of the pools' connections, of each pool and of each of its targets.
func connections(pools []engine.PoolFigure) []metrics.Family {
	var all, each connectionFamilies
	all.begin("proxycache_pool_", "a pool's connections")
	each.begin("proxycache_target_", "a target's connections")
	for _, p := range pools {
		all.add(toConnections(p.Usage), "pool", p.Name)
		for _, t := range p.Targets {
			each.add(toConnections(t.Usage), "pool", p.Name, "target", t.Address)
		}
	}
	return append(all.families(), each.families()...)
}

type connectionFamilies struct{ open, http2, streams, waiting, opened, reused, faults metrics.Family }

func (f *connectionFamilies) begin(prefix, of string) {
	f.open = gaugeOf(prefix+"connections", "Open ones of "+of+", by whether an exchange uses them.")
	f.http2 = gaugeOf(prefix+"http2_connections", "Of "+of+", those that speak HTTP/2.")
	f.streams = gaugeOf(prefix+"http2_streams", "Exchanges on those of "+of+" that speak HTTP/2.")
	f.waiting = gaugeOf(prefix+"waiting_requests", "Exchanges in the queue for one of "+of+".")
	f.opened = counterOf(prefix+"connections_opened_total", "How many of "+of+" were opened.")
	f.reused = counterOf(prefix+"connections_reused_total", "Exchanges that went over one of "+of+" that was open already.")
	f.faults = counterOf(prefix+"faults_total", "Exchanges on "+of+" that failed, by what failed.")
}

func (f *connectionFamilies) add(c Connections, labels ...string) {
	with := func(more ...string) []string { return append(labels[:len(labels):len(labels)], more...) }
	f.open.Add(float64(c.InUse), with("state", "in_use")...)
	f.open.Add(float64(c.Idle), with("state", "idle")...)
	f.http2.Add(float64(c.HTTP2), labels...)
	f.streams.Add(float64(c.Streams), labels...)
	f.waiting.Add(float64(c.Waiting), labels...)
	f.opened.Add(float64(c.Opened), labels...)
	f.reused.Add(float64(c.Reused), labels...)
	for _, fault := range []struct {
		kind string
		n    int64
	}{
		{"connect", c.Faults.Connect}, {"tls", c.Faults.TLS}, {"timeout", c.Faults.Timeout},
		{"reset", c.Faults.Reset}, {"protocol", c.Faults.Protocol}, {"crowded", c.Faults.Crowded},
	} {
		f.faults.Add(float64(fault.n), with("kind", fault.kind)...)
	}
}

func (f *connectionFamilies) families() []metrics.Family {
	return []metrics.Family{f.open, f.http2, f.streams, f.waiting, f.opened, f.reused, f.faults}
}

// targetStates are those that a target can be in.
var targetStates = []upstream.State{upstream.Fresh, upstream.Healthy, upstream.Unhealthy, upstream.Ejected, upstream.Draining, upstream.Off}

// targets say how the targets that a pool chooses from stand.
func targets(pools []engine.PoolFigure) []metrics.Family {
	up := gaugeOf("proxycache_target_up", "Whether a target is healthy, or new and taken for it: 1 or 0.")
	state := gaugeOf("proxycache_target_state", "1 for the state that a target is in, 0 for the others.")
	weight := gaugeOf("proxycache_target_weight", "The share of a target in force, against that of the others: less than it was set during a slow start.")
	running := gaugeOf("proxycache_target_requests_in_flight", "Exchanges that a target has.")
	ejections := counterOf("proxycache_target_ejections_total", "How often a target was ejected for its answers.")
	for _, p := range pools {
		for _, t := range p.Targets {
			if t.State == "" {
				continue
			}
			labels := []string{"pool", p.Name, "target", t.Address}
			up.Add(oneIf(t.State == upstream.Healthy || t.State == upstream.Fresh), labels...)
			for _, one := range targetStates {
				state.Add(oneIf(t.State == one), append(labels, "state", string(one))...)
			}
			weight.Add(t.Weight, labels...)
			running.Add(float64(t.InFlight), labels...)
			ejections.Add(float64(t.Ejections), labels...)
		}
	}
	return []metrics.Family{up, state, weight, running, ejections}
}

func oneIf(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

// levels give each level of a cell's state its number.
var levels = map[policy.Level]float64{policy.Calm: 0, policy.Warn: 1, policy.Alarm: 2}

// states are the figures that cells tell of themselves, each under the name of its module.
func states(cells []engine.CellState) []metrics.Family {
	level := gaugeOf("proxycache_cell_level", "How much a cell's state wants to be seen: 0 calm, 1 it works and not as it should, 2 it keeps exchanges from where they should go.")
	out := []metrics.Family{}
	for _, c := range cells {
		if c.State.Summary != "" {
			level.Add(levels[c.State.Level], "cell", c.Cell)
		}
		for _, f := range c.State.Figures {
			family := gaugeOf("proxycache_"+strings.ReplaceAll(c.Module, "-", "_")+"_"+f.Name, f.Help)
			if f.Counter {
				family.Kind = metrics.Counter
			}
			family.Add(f.Value, labelsOf(c.Cell, f.Labels)...)
			out = append(out, family)
		}
	}
	return append(out, level)
}

// labelsOf are a figure's, and that of the cell, which none of its own may hide.
func labelsOf(cell string, labels []policy.Label) []string {
	out := []string{"cell", cell}
	for _, l := range labels {
		name := l.Name
		if name == "cell" {
			name = "exported_cell"
		}
		out = append(out, name, l.Value)
	}
	return out
}

// doorsAndCapture are the figures of the clients' side, of what is kept, and of the program.
func (c *Core) doorsAndCapture() []metrics.Family {
	doors, stats := c.ingress.Figures(), c.recorder.Stats()
	open := gaugeOf("proxycache_client_connections", "Open connections of clients, by what they carry; WebSockets and event streams are with the tunnels.")
	open.Add(float64(doors.HTTP1), "carries", "http1")
	open.Add(float64(doors.HTTP2), "carries", "http2")
	open.Add(float64(doors.Tunnels), "carries", "tunnel")
	refused := counterOf("proxycache_client_refused_total", "Connections and requests that were turned away, by the limit they were over.")
	refused.Add(float64(doors.OverPerClient), "limit", "connections_per_client")
	refused.Add(float64(doors.OverInFlight), "limit", "in_flight")
	one := func(f metrics.Family, value float64, labels ...string) metrics.Family {
		f.Add(value, labels...)
		return f
	}
	return []metrics.Family{
		open, refused,
		one(gaugeOf("proxycache_client_connections_limit", "How many connections of clients may be open."), float64(doors.Places)),
		one(counterOf("proxycache_client_connections_accepted_total", "Connections of clients that were accepted."), float64(doors.Accepted)),
		one(counterOf("proxycache_client_connections_waited_total", "Connections of clients that had to wait for a place."), float64(doors.Waited)),
		one(gaugeOf("proxycache_client_requests_in_flight", "Requests that are being answered."), float64(doors.InFlight)),
		one(gaugeOf("proxycache_client_requests_in_flight_highest", "The most requests that were being answered at once, since the start."), float64(doors.Highest)),
		one(gaugeOf("proxycache_capture_recording", "Whether exchanges are kept: 1 or 0."), oneIf(stats.Recording)),
		one(gaugeOf("proxycache_capture_exchanges", "Exchanges that are kept, with those in flight."), float64(c.total())),
		one(counterOf("proxycache_capture_lost_exchanges_total", "Exchanges that could not be kept, whole or in part."), float64(stats.Lost)),
		one(gaugeOf("proxycache_build_info", "The version that runs; always 1."), 1, "version", c.options.Version),
	}
}

func counterOf(name, help string) metrics.Family {
	return metrics.Family{Name: name, Help: help, Kind: metrics.Counter}
}

func gaugeOf(name, help string) metrics.Family {
	return metrics.Family{Name: name, Help: help, Kind: metrics.Gauge}
}

func durationsOf(name, help string, bounds []float64) metrics.Family {
	return metrics.Family{Name: name, Help: help, Kind: metrics.Durations, Bounds: bounds}
}
