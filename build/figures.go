package main

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// figures are all that a run measured, by the peer's name.
type figures struct {
	loads   map[string]map[string][]loaded // then the trial's, one a round
	failed  map[string]map[string]string   // why a trial has none
	spent   map[string][]spent
	latency map[string][]latency
	rate    float64 // at which latency was measured
	held    map[string]held
	parts   map[string][]part
	busy    string // the machine's load average before the run
}

func newFigures() *figures {
	return &figures{
		loads: map[string]map[string][]loaded{}, failed: map[string]map[string]string{}, spent: map[string][]spent{},
		latency: map[string][]latency{}, held: map[string]held{}, parts: map[string][]part{}, busy: loadAverage(),
	}
}

// withoutSpent shares all but what Proxycache allocates, which it keeps to itself.
func (f *figures) withoutSpent() *figures {
	out := *f
	out.spent = map[string][]spent{}
	return &out
}

func (f *figures) add(peer, trial string, l loaded) {
	if f.loads[peer] == nil {
		f.loads[peer] = map[string][]loaded{}
	}
	f.loads[peer][trial] = append(f.loads[peer][trial], l)
}

func (f *figures) fail(peer, trial string, err error) {
	if f.failed[peer] == nil {
		f.failed[peer] = map[string]string{}
	}
	line, _, _ := strings.Cut(lastLines(err.Error(), 1), "\n")
	f.failed[peer][trial] = line
	say("  %-16s %-19s %s", peer, trial, red(err.Error()))
}

// medianOf is of what of(each) says; 0 of none. Of an even number it is the
// greater of the middle two.
func medianOf[T any, N cmp.Ordered](each []T, of func(T) N) N {
	var values []N
	for _, one := range each {
		values = append(values, of(one))
	}
	slices.Sort(values)
	if len(values) == 0 {
		var none N
		return none
	}
	return values[len(values)/2]
}

func (f *figures) medianRate(peer string) float64 {
	return medianOf(f.loads[peer][kilobyte.name], loaded.rate)
}

// ratio is how many times the CPU a request of another peer this one takes: the median of the rounds'
// own ratios, since what slows one round slows both. 0 where one of them was not measured.
func (f *figures) ratio(t trial, peer, other string) float64 {
	mine, theirs := f.loads[peer][t.name], f.loads[other][t.name]
	var ratios []float64
	for i := range min(len(mine), len(theirs)) {
		ratios = append(ratios, mine[i].micros()/theirs[i].micros())
	}
	return medianOf(ratios, func(r float64) float64 { return r })
}

// added is a peer's latency beyond the origin's, round by round.
func (f *figures) added(peer string) (latency, bool) {
	mine, direct := f.latency[peer], f.latency["direct"]
	var all []latency
	for i := range min(len(mine), len(direct)) {
		all = append(all, mine[i].minus(direct[i]))
	}
	return middle(all), len(all) > 0
}

// middle is the median of each percentile.
func middle(all []latency) latency {
	return latency{
		p50:  medianOf(all, func(l latency) time.Duration { return l.p50 }),
		p99:  medianOf(all, func(l latency) time.Duration { return l.p99 }),
		p999: medianOf(all, func(l latency) time.Duration { return l.p999 }),
	}
}

func (f *figures) lost() int64 {
	var sum int64
	for _, trial := range f.loads["proxycache-on"] {
		for _, l := range trial {
			sum = max(sum, l.lost)
		}
	}
	return sum
}
