package main

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// latency is of requests sent at a constant rate.
type latency struct{ p50, p99, p999 time.Duration }

func (l latency) minus(other latency) latency {
	return latency{l.p50 - other.p50, l.p99 - other.p99, l.p999 - other.p999}
}

const (
	pacedFor     = 4 * time.Second
	pacedRounds  = 5
	pacedClients = 64
)

// latency sends half of the requests that Proxycache manages without capture to each peer that manages
// them well, and to the origin. Where there are two processors, the load, the origin and all else share the
// first and a peer has the second to itself: three programs that take turns on two wait for the kernel's
// slices, which are milliseconds, and p99 would tell of those.
func (b *bench) latency(ctx context.Context) error {
	if runtime.NumCPU() > 1 {
		b.site.processor = "1"
		defer shield()()
		defer func() { b.site.processor = "" }()
	}
	b.figures.rate = b.figures.medianRate("proxycache-off") / 2
	if b.figures.rate == 0 {
		say("%s no latency at half load: it is half of proxycache-off's, which was not measured", dim("·"))
		return nil
	}
	for range pacedRounds {
		for _, p := range b.peers {
			if !p.paced || b.figures.medianRate(p.name) < 1.2*b.figures.rate {
				continue
			}
			if err := b.pace(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadProcessor is where the paced load runs, and the origin meanwhile.
const loadProcessor = 0

func (b *bench) pace(ctx context.Context, p peer) error {
	s, err := p.start(ctx, b.site)
	if err != nil {
		return err
	}
	defer s.discard()
	const warm = 500 * time.Millisecond
	took, err := pace(ctx, s.address, kilobyte.path, b.figures.rate, pacedClients, pacedFor+warm)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		b.figures.fail(p.name, "latency", err)
		return nil
	}
	l := percentiles(took[int(warm.Seconds()*b.figures.rate):])
	say("  %-16s at %.0f req/s: p50 %s, p99 %s, p99.9 %s", p.name, b.figures.rate, l.p50, l.p99, l.p999)
	b.figures.latency[p.name] = append(b.figures.latency[p.name], l)
	return nil
}

func percentiles(took []time.Duration) latency {
	slices.Sort(took)
	at := func(share float64) time.Duration { return took[int(share*float64(len(took)-1))] }
	return latency{p50: at(0.5), p99: at(0.99), p999: at(0.999)}
}
