package core

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"proxycache/backend/engine"
	"proxycache/backend/flow"
	"proxycache/backend/upstream"
)

const (
	newsInterval = 100 * time.Millisecond
	newsRows     = 500
	purgeAfter   = 30 * time.Second
)

var noRows = []flow.Row{}

// meters turn what passes into the figures of the status bar.
type meters struct {
	mu      sync.Mutex
	figures Figures
	status  []byte // as last told, to tell only changes
	told    []byte
}

// tellNews is the heart beat: rows ten times a second, status and figures once a second.
func (c *Core) tellNews(ctx context.Context) {
	var memory memory
	memory.beat()
	tick := time.NewTicker(newsInterval)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		news := News{Total: c.total()}
		news.Rows, news.More = c.recorder.Drain(newsRows)
		news.Reset = c.gone.Swap(false)
		if n%10 == 0 {
			c.addSlowNews(ctx, &news)
			memory.beat()
		}
		if n%3 == 0 {
			news.Demo = c.tour.changed()
		}
		if news.Rows == nil {
			news.Rows = noRows
		}
		if len(news.Rows) > 0 || news.Reset || news.Status != nil || news.Figures != nil || news.Demo != nil {
			c.News.Say(news)
		}
		if n%100 == 0 {
			c.sweep(ctx)
		}
	}
}

func (c *Core) addSlowNews(ctx context.Context, news *News) {
	figures := toFigures(c.engine.Sample())
	figures.Pools = toPools(c.engine.Pools())
	figures.States = toMoods(c.engine.States())
	figures.Latencies = toLatencies(c.engine.Latencies())
	doors := c.ingress.Figures()
	figures.Clients, figures.Doors = doors.HTTP1+doors.HTTP2+doors.Tunnels, Doors(doors)
	m := &c.meters
	m.mu.Lock()
	defer m.mu.Unlock()
	m.figures = figures
	if told := encoded(figures); !slices.Equal(told, m.told) {
		m.told = told
		news.Figures = &figures
	}
	status, err := c.Status(ctx, Nothing{})
	if err != nil {
		return
	}
	if now := encoded(status); !slices.Equal(now, m.status) {
		m.status = now
		news.Status = &status
	}
}

// encoded is v as JSON; the types that come here always encode.
func encoded[T Figures | Status](v T) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// Figures are the live numbers of the comb: the pools as they stand, the others as of the last second.
func (c *Core) Figures(context.Context, Nothing) (Figures, error) {
	c.meters.mu.Lock()
	defer c.meters.mu.Unlock()
	f := c.meters.figures
	f.Cells, f.Routes, f.Pools = append([]Figure{}, f.Cells...), append([]RouteFigure{}, f.Routes...), toPools(c.engine.Pools())
	f.States, f.Latencies = append([]CellMood{}, f.States...), append([]Latency{}, f.Latencies...)
	return f, nil
}

func toFigures(samples []engine.Figure) Figures {
	f := Figures{Cells: []Figure{}, Routes: []RouteFigure{}}
	for _, s := range samples {
		if route, ok := strings.CutPrefix(s.Name, "route/"); ok {
			f.Routes = append(f.Routes, RouteFigure{Route: route, Seen: s.Seen, Rate: s.Rate})
			continue
		}
		f.Cells = append(f.Cells, Figure{Cell: s.Name, Seen: s.Seen, Acted: s.Acted, Failed: s.Failed, Rate: s.Rate, Share: s.Share})
	}
	return f
}

func toPools(pools []engine.PoolFigure) []PoolFigure {
	out := []PoolFigure{}
	for _, p := range pools {
		f := PoolFigure{Pool: p.Name, Connections: toConnections(p.Usage), Targets: []TargetFigure{}}
		for _, t := range p.Targets {
			f.Targets = append(f.Targets, toTarget(t))
		}
		out = append(out, f)
	}
	return out
}

func toConnections(u upstream.Usage) Connections {
	return Connections{
		Open: u.Open, Idle: u.Idle, InUse: u.InUse(), Waiting: u.Waiting, HTTP2: u.Shared, Streams: u.Streams,
		Opened: u.Opened, Reused: u.Reused, Faults: Faults(u.Faults),
	}
}

// sweep removes for good what was deleted a while ago and what the limits no longer allow.
func (c *Core) sweep(ctx context.Context) {
	if err := c.store.Purge(ctx, time.Now().Add(-purgeAfter)); err != nil {
		c.log.Warn("removing deleted exchanges", "error", err)
	}
	dropped, err := c.recorder.Retain(ctx)
	if err != nil {
		c.log.Warn("keeping the capture within its limits", "error", err)
	}
	if dropped > 0 {
		c.gone.Store(true)
	}
}
