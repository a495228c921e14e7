package upstream

import (
	"math"
	"math/rand/v2"
	"time"

	"proxycache/backend/flow"
)

// choice is a target and what decided.
type choice struct {
	*target
	other *target // of p2c, the one it was compared with
	way   string  // what chose
}

// choose picks one of at least one.
func (b *balance) choose(among []*target, x *flow.Exchange) choice {
	c := choice{way: b.way}
	switch b.way {
	case roundRobin:
		c.target = among[(b.turn.Add(1)-1)%uint64(len(among))]
	case leastConn:
		c.target = b.least(among, func(t *target, weight float64) float64 { return float64(t.inFlight.Load()) / weight })
	case leastTime:
		c.target = b.soonest(among, x.Started.UnixNano())
	case random:
		c.target = b.byChance(among, nil)
	case p2c:
		c.target, c.other = b.better(among)
	case first:
		c.target = among[0]
	case byHash:
		if key, ok := b.key.of(x); ok {
			c.target = rendezvous(among, key)
			break
		}
		c.way = weightedRoundRobin
		c.target = b.inTurn(among)
	default:
		c.target = b.inTurn(among)
	}
	return c
}

// inTurn is smooth weighted round robin: of weights 3 and 1 come a a b a.
func (b *balance) inTurn(among []*target) *target {
	b.mu.Lock()
	defer b.mu.Unlock()
	var best *target
	total := 0
	for _, t := range among {
		w := int(b.weightOf(t) * steps)
		t.current += w
		total += w
		if best == nil || t.current > best.current {
			best = t
		}
	}
	best.current -= total
	return best
}

// steps are the parts of a weight of 1 that smooth weighted round robin counts in.
const steps = 1000

// weightOf is the weight in force: during a slow start it grows.
func (b *balance) weightOf(t *target) float64 {
	w := float64(t.weight)
	if since := t.rising.Load(); since != 0 && b.slow != nil {
		w *= b.slow.part(t, since)
	}
	return w
}

// leastShare is what of its weight a target has at the beginning of its slow start.
const leastShare = 0.1

// part is what of its weight t has so long after its slow start began:
// max(10 %, (time/window)^(1/aggression)).
func (s *SlowStart) part(t *target, since int64) float64 {
	passed := float64(time.Now().UnixNano()-since) / float64(s.Window)
	if passed >= 1 {
		t.rising.CompareAndSwap(since, 0)
		return 1
	}
	return max(leastShare, math.Pow(max(passed, 0), 1/s.Aggression))
}

// least is the target with the lowest score at its weight in force; of several one by chance, by weight.
func (b *balance) least(among []*target, score func(t *target, weight float64) float64) *target {
	var best *target
	var lowest, ties float64
	for _, t := range among {
		w := b.weightOf(t)
		s := score(t, w)
		switch {
		case best == nil || s < lowest:
			best, lowest, ties = t, s, w
		case s == lowest:
			if ties += w; rand.Float64()*ties < w {
				best = t
			}
		}
	}
	return best
}

// soonest is the target whose time to the first byte, for each exchange it has and one more, is least
// for its weight. One of which nothing is known counts as quick as the quickest of the others; while it
// has no exchange it ties with the best of them, whatever its weight: a lower one would never be known.
func (b *balance) soonest(among []*target, now int64) *target {
	quickest, best := math.Inf(1), math.Inf(1)
	for _, t := range among {
		if mean := t.mean(now); mean > 0 {
			quickest, best = min(quickest, mean), min(best, mean/b.weightOf(t))
		}
	}
	if math.IsInf(quickest, 1) {
		quickest, best = 1, 0
	}
	return b.least(among, func(t *target, weight float64) float64 {
		mean, would := t.mean(now), float64(t.inFlight.Load()+1)
		switch {
		case mean > 0:
			return mean / weight * would
		case would == 1:
			return min(best, quickest/weight)
		}
		return quickest / weight * would
	})
}

// draws is how often byChance draws blindly before it adds up all weights.
const draws = 8

// byChance is one by weight that is not without. One is drawn, and kept with a chance of its weight
// against the heaviest; that needs no look at the others.
func (b *balance) byChance(among []*target, without *target) *target {
	for range draws {
		t := among[rand.IntN(len(among))]
		if t == without {
			continue
		}
		if w := b.weightOf(t); w >= b.heaviest || rand.Float64()*b.heaviest < w {
			return t
		}
	}
	var best *target
	total := 0.0
	for _, t := range among {
		if t == without {
			continue
		}
		w := b.weightOf(t)
		if total += w; best == nil || rand.Float64()*total < w {
			best = t
		}
	}
	return best
}

// better is, of two by chance, the one with fewer exchanges for its weight; the second may be nil.
func (b *balance) better(among []*target) (best, other *target) {
	best = b.byChance(among, nil)
	if len(among) == 1 {
		return best, nil
	}
	other = b.byChance(among, best)
	if float64(other.inFlight.Load())*b.weightOf(best) < float64(best.inFlight.Load())*b.weightOf(other) {
		return other, best
	}
	return best, other
}
