package core

import (
	"slices"
	"strconv"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/upstream"
)

// legs tells, for each step of a pool, how the heads between the proxy and its target differ from those that
// the cells saw. The record holds the request as it came: what cells did to it is replayed from their edits.
func legs(r *flow.Record, steps []Step) {
	for i := range r.Trail {
		s := &r.Trail[i]
		if s.Sent != nil {
			line, fields := before(r, i)
			sent, now := splitHead(s.Sent)
			steps[i].Sent = leg(fields, now, line, sent)
		}
		if s.Came != nil {
			line, fields := splitHead(s.Came)
			steps[i].Came = leg(fields, given(s, line, fields), line, line)
		}
	}
}

func leg(was, now flow.Header, line, lineAfter string) Leg {
	return Leg{Before: append([]flow.Field{}, was...), Fields: append([]flow.FieldEdit{}, flow.Edits(was, now)...), LineBefore: line, LineAfter: lineAfter}
}

// given is what the cells got of an answer that came with these fields; nothing is told of one that no cell got.
func given(s *flow.Step, line string, fields flow.Header) flow.Header {
	proto, rest, _ := strings.Cut(line, " ")
	status, err := strconv.Atoi(rest[:min(3, len(rest))])
	if err != nil || s.Verdict == flow.Failed {
		return fields
	}
	return upstream.AnswerFields(fields.Clone(), status, proto)
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
