package core

import (
	"slices"
	"strings"

	"proxycache/backend/flow"
)

// legs tells, for each step of a pool, how the heads between the proxy and its target differ from those that
// the cells saw: Sent from the request as the last cell handed it on, Came from the answer as the first cell
// got it. The record holds the request as it came and the answer as it left; what the cells did in between is
// replayed from their edits.
func legs(r *flow.Record, steps []Step) {
	answered := -1
	for i := range r.Trail {
		s := &r.Trail[i]
		if s.Sent != nil {
			line, fields := before(r, i)
			steps[i].Sent = leg(line, fields, s.Sent)
		}
		switch {
		case s.Module != "upstream" || lost(s):
		case s.Came == nil:
			answered = -1
		default:
			answered = i
		}
	}
	if answered < 0 || r.ResponseHead == nil {
		return
	}
	line, fields := splitHead(r.Trail[answered].Came)
	_, after := splitHead(r.ResponseHead)
	for i := range r.Trail[:answered] {
		if d := r.Trail[i].Response; d != nil && !repeated(r.Trail[:answered], i) {
			after = undo(after, d.Header)
		}
	}
	steps[answered].Came = Delta{Fields: append([]flow.FieldEdit{}, flow.Edits(fields, after)...), LineBefore: line, LineAfter: line}
}

// leg is the difference between a head as the cells saw it and as it was on the wire.
func leg(line string, fields []flow.Field, wire []byte) Delta {
	sent, now := splitHead(wire)
	return Delta{Fields: append([]flow.FieldEdit{}, flow.Edits(fields, now)...), LineBefore: line, LineAfter: sent}
}

// before is the request as the cells before step i left it.
func before(r *flow.Record, i int) (line string, fields flow.Header) {
	line, fields = splitHead(r.RequestHead)
	for j := range r.Trail[:i] {
		d := r.Trail[j].Request
		if d == nil || repeated(r.Trail[:i], j) {
			continue
		}
		fields = redo(fields, d.Header)
		if d.Line[1] != "" {
			line = d.Line[1]
		}
	}
	return line, fields
}

// repeated tells that the cell of step i was passed again, by a request that was as it had been before.
func repeated(trail flow.Trail, i int) bool {
	return slices.ContainsFunc(trail[i+1:], func(s flow.Step) bool { return s.Cell == trail[i].Cell })
}

// lost tells a step that ran beside another one and was not the one that answered.
func lost(s *flow.Step) bool {
	return slices.ContainsFunc(s.Facts, func(f flow.Fact) bool { return f.Name == "beside" })
}

func redo(h flow.Header, edits []flow.FieldEdit) flow.Header {
	out := h.Clone()
	for _, e := range edits {
		at := slices.IndexFunc(out, func(f flow.Field) bool { return is(f, e.Name, e.Was) })
		switch {
		case e.Op == "add":
			out.Add(e.Name, e.Now)
		case at < 0: // a part of the trail is missing
		case e.Op == "remove":
			out = slices.Delete(out, at, at+1)
		default:
			out[at] = flow.Field{Name: e.Name, Value: e.Now}
		}
	}
	return out
}

func undo(h flow.Header, edits []flow.FieldEdit) flow.Header {
	out := h.Clone()
	for _, e := range slices.Backward(edits) {
		at := -1
		for i, f := range out {
			if is(f, e.Name, e.Now) {
				at = i
			}
		}
		switch {
		case e.Op == "remove":
			out.Add(e.Name, e.Was)
		case at < 0:
		case e.Op == "add":
			out = slices.Delete(out, at, at+1)
		default:
			out[at] = flow.Field{Name: e.Name, Value: e.Was}
		}
	}
	return out
}

func is(f flow.Field, name, value string) bool {
	return flow.EqualFold(f.Name, name) && strings.TrimSpace(f.Value) == strings.TrimSpace(value)
}

// heads are those of the last step of a pool: what the target was sent, and what it answered with.
func heads(trail flow.Trail) (sent, came []byte) {
	for i := range trail {
		if s := &trail[i]; s.Module == "upstream" && !lost(s) {
			sent, came = s.Sent, s.Came
		}
	}
	return sent, came
}
