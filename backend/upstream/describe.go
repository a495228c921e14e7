package upstream

import (
	"math"
	"strconv"
	"time"
)

// maxTold is of how many targets the trail tells.
const maxTold = 8

// describe says in a line why c was chosen among those.
func (c choice) describe(b *balance, among []*target, r *roster, now int64) string {
	var space [512]byte
	out := append(space[:0], c.way...)
	switch {
	case b.way == byHash && c.way != byHash:
		out = append(append(out, ": the request has no "...), b.key.said...)
	case b.way == byHash:
		out = append(append(out, " of "...), b.key.said...)
	}
	out = append(out, ": "...)
	out = append(out, c.shown...)
	switch c.way {
	case leastConn, p2c:
		out = c.appendLoads(out, among)
	case leastTime:
		out = c.appendTimes(out, among, now)
	case weightedRoundRobin, random:
		out = b.appendWeights(out, c.target, among)
	default:
		out = append(out, ", of "...)
		out = strconv.AppendInt(out, int64(len(among)), 10)
	}
	if c.backup {
		out = append(out, "; it is a backup"...)
	}
	out = append(out, r.left...)
	return string(out)
}

func (b *balance) appendWeights(out []byte, t *target, among []*target) []byte {
	total := 0.0
	for _, other := range among {
		total += b.weightOf(other)
	}
	out = append(out, ", weight "...)
	out = appendShort(out, b.weightOf(t))
	out = append(out, " of "...)
	return appendShort(out, total)
}

// appendShort writes a number with at most one digit behind the point.
func appendShort(out []byte, n float64) []byte {
	return strconv.AppendFloat(out, math.Round(n*10)/10, 'f', -1, 64)
}

func (c choice) appendLoads(out []byte, among []*target) []byte {
	out = append(out, " has "...)
	out = strconv.AppendInt(out, c.inFlight.Load(), 10)
	out = append(out, " in flight"...)
	if c.other != nil {
		out = append(append(append(out, ", "...), c.other.shown...), ' ')
		return strconv.AppendInt(out, c.other.inFlight.Load(), 10)
	}
	if c.way == p2c {
		return out
	}
	for i, t := range others(among) {
		if t != c.target && i < maxTold {
			out = append(append(append(out, ", "...), t.shown...), ' ')
			out = strconv.AppendInt(out, t.inFlight.Load(), 10)
		}
	}
	return out
}

// others are as many of among as are told of.
func others(among []*target) []*target { return among[:min(len(among), maxTold)] }

func (c choice) appendTimes(out []byte, among []*target, now int64) []byte {
	out = append(out, " takes "...)
	out = appendTime(out, c.target, now)
	for _, t := range others(among) {
		if t != c.target {
			out = append(append(append(out, ", "...), t.shown...), ' ')
			out = appendTime(out, t, now)
		}
	}
	return out
}

func appendTime(out []byte, t *target, now int64) []byte {
	mean := t.mean(now)
	if mean == 0 {
		out = append(out, "a time not known yet"...)
	} else {
		out = append(out, rounded(time.Duration(mean*float64(time.Second))).String()...)
	}
	out = append(out, " with "...)
	out = strconv.AppendInt(out, t.inFlight.Load(), 10)
	return append(out, " in flight"...)
}
