package core

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"proxycache/backend/filter"
	"proxycache/backend/flow"
	"proxycache/backend/modules"
	"proxycache/backend/problem"
	"proxycache/backend/store"
)

const pageLimit = 500

// Exchanges is a page of the list: what is in the store and what is still in flight.
func (c *Core) Exchanges(_ context.Context, q ExchangeQuery) (ExchangePage, error) {
	expr, err := filter.Parse(q.Filter)
	if err != nil {
		return ExchangePage{}, err
	}
	q.Limit = min(max(q.Limit, 1), pageLimit)
	live, err := c.live(expr) // before the store is read: what is saved in between is found twice, not never
	if err != nil {
		return ExchangePage{}, err
	}
	rows, err := c.store.Rows(store.Query{Filter: expr, After: q.After, Skip: q.Skip, Limit: q.Limit})
	if err != nil {
		return ExchangePage{}, err
	}
	page := ExchangePage{Matching: -1, Total: c.total()}
	page.Rows = c.merge(rows, live, q)
	if q.Count {
		kept, err := c.store.Count(expr)
		if err != nil {
			return ExchangePage{}, err
		}
		page.Matching = kept + int64(len(live))
	}
	return page, nil
}

// live are the rows that are not in the store yet and match, ascending.
func (c *Core) live(expr filter.Expr) ([]flow.Row, error) {
	rows := c.recorder.Live()
	if expr == nil {
		return rows, nil
	}
	m, err := filter.Compile(expr)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rows, func(r flow.Row) bool {
		record, ok := c.recorder.Lookup(r.Seq)
		return !ok || !m.MatchRecord(record)
	}), nil
}

// merge puts live rows at their place. Live rows are the youngest: they stand behind nearly all
// kept ones, so that Skip counts kept rows first.
func (c *Core) merge(kept, live []flow.Row, q ExchangeQuery) []flow.Row {
	out := append([]flow.Row{}, kept...)
	if len(kept) < q.Limit { // the end of the store is in this page: the live ones follow
		skip := 0
		if q.Skip > 0 && len(kept) == 0 {
			skip = c.liveSkip(live, q)
		}
		for _, r := range live {
			if r.Seq <= q.After {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			out = append(out, r)
		}
	} else if last := kept[len(kept)-1].Seq; len(live) > 0 && live[0].Seq < last {
		for _, r := range live {
			if r.Seq < last && r.Seq > kept[0].Seq {
				out = append(out, r)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b flow.Row) int { return int(a.Seq - b.Seq) })
	out = slices.CompactFunc(out, func(a, b flow.Row) bool { return a.Seq == b.Seq })
	return out[:min(len(out), q.Limit)]
}

// liveSkip is how many of the live rows a page behind the end of the store skips.
func (c *Core) liveSkip(live []flow.Row, q ExchangeQuery) int {
	expr, _ := filter.Parse(q.Filter) // it parsed a moment ago
	behind, err := c.store.CountAfter(expr, q.After)
	if err != nil {
		return 0
	}
	return max(0, q.Skip-int(behind))
}

func (c *Core) total() int64 { return c.store.Total() + int64(c.recorder.LiveCount()) }

// record finds an exchange in flight or in the store.
func (c *Core) record(seq int64) (*flow.Record, error) {
	if r, ok := c.recorder.Lookup(seq); ok {
		return r, nil
	}
	return c.store.Record(seq)
}

// Exchange is the detail of one exchange.
func (c *Core) Exchange(_ context.Context, seq int64) (Exchange, error) {
	r, err := c.record(seq)
	if err != nil {
		return Exchange{}, err
	}
	replays, err := c.store.Replays(seq)
	if err != nil {
		return Exchange{}, err
	}
	x := Exchange{
		Row: flow.RowOf(r), ID: r.ID.String(), Started: rfc3339(r.Started),
		URL: r.Scheme + "://" + r.Authority + r.Target, Client: r.Client, SentTo: r.SentTo, Upstream: r.Upstream,
		Request: message(r.RequestHead, r.RequestProto, r.RequestTrailer, r.RequestBody),
		Timing:  timing(r), Steps: steps(r), Problem: toProblem(r.Problem),
		ClientConnection: connection(r.ClientConn), TargetConnection: connection(r.TargetConn),
		Replays: append([]int64{}, replays...),
	}
	if r.Status != 0 {
		m := message(r.ResponseHead, r.ResponseProto, r.ResponseTrailer, r.ResponseBody)
		x.Response = &m
	}
	return x, nil
}

func message(head []byte, proto string, trailer flow.Header, body flow.Stored) Message {
	line, fields := splitHead(head)
	return Message{
		Line: line, Proto: proto, Fields: fields, Trailers: append([]flow.Field{}, trailer...),
		Body: Body{Size: body.Size, Kept: body.Kept, Type: body.Type, Encoding: body.Encoding, Truncated: body.Kept < body.Size},
	}
}

// splitHead shows a raw head line by line. It is for looking at: a line without a colon is a field
// with an empty name, so that nothing that was sent is hidden.
func splitHead(head []byte) (first string, fields []flow.Field) {
	fields = []flow.Field{}
	for i, line := range bytes.Split(bytes.TrimRight(head, "\r\n"), []byte("\n")) {
		text := strings.TrimSuffix(string(line), "\r")
		if i == 0 {
			first = text
			continue
		}
		if n := len(fields); n > 0 && text != strings.TrimLeft(text, " \t") { // folded (RFC 9112 §5.2)
			fields[n-1].Value = strings.Trim(fields[n-1].Value+" "+strings.Trim(text, " \t"), " ")
			continue
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			name, value = "", text
		}
		fields = append(fields, flow.Field{Name: name, Value: strings.Trim(value, " \t")})
	}
	return first, fields
}

func timing(r *flow.Record) Timing {
	t := r.Timing
	at := func(d time.Duration) int64 {
		if d == 0 {
			return -1
		}
		return d.Microseconds()
	}
	return Timing{
		DNSStart: at(t.DNSStart), DNSDone: at(t.DNSDone), ConnectStart: at(t.ConnectStart), ConnectDone: at(t.ConnectDone),
		TLSStart: at(t.TLSStart), TLSDone: at(t.TLSDone), SendStart: at(t.SendStart), Sent: at(t.Sent),
		FirstByte: at(t.FirstByte), Done: at(t.Done),
	}
}

func steps(r *flow.Record) []Step {
	out := make([]Step, 0, len(r.Trail))
	for _, s := range r.Trail {
		step := Step{
			Cell: s.Cell, Module: s.Module, Verdict: string(s.Verdict), Why: s.Why,
			Facts: append([]flow.Fact{}, s.Facts...), Before: s.Before.Nanoseconds(), After: s.After.Nanoseconds(),
			Request: delta(s.Request), Response: delta(s.Response), Sent: leg(nil, nil, "", ""), Came: leg(nil, nil, "", ""),
		}
		if m, ok := modules.Lookup(s.Module); ok {
			step.Title, step.Icon, step.Stage = m.Title, m.Icon, string(m.Stage)
		} else { // the pool, or a module that is gone
			step.Title, step.Icon, step.Stage = "Upstream", "share-2", "balance"
			if name := strings.TrimPrefix(s.Cell, "upstream/"); name != "" && name != s.Cell {
				step.Title = "Pool " + name
			}
		}
		out = append(out, step)
	}
	legs(r, out)
	return out
}

func delta(d *flow.Delta) Delta {
	if d == nil {
		return Delta{Fields: []flow.FieldEdit{}}
	}
	return Delta{Fields: append([]flow.FieldEdit{}, d.Header...), LineBefore: d.Line[0], LineAfter: d.Line[1], Body: d.Body}
}

func connection(c flow.Conn) Connection {
	out := Connection{Local: c.Local, Remote: c.Remote, Reused: c.Reused, Subject: []string{}}
	if t := c.TLS; t != nil {
		out.TLS, out.Cipher, out.ALPN, out.SNI = t.Version, t.Cipher, t.ALPN, t.SNI
		for _, cert := range t.Chain {
			out.Subject = append(out.Subject, cert.Subject.String())
		}
	}
	return out
}

// CheckFilter tells whether a filter parses; the problem has the column.
func (c *Core) CheckFilter(_ context.Context, text string) (Nothing, error) {
	_, err := filter.Parse(text)
	return Nothing{}, err
}

// Remove takes exchanges out of the list; UndoRemove brings them back until they are purged.
func (c *Core) Remove(_ context.Context, s Selection) (Removal, error) {
	var sel store.Selection
	switch {
	case !s.All && len(s.Seqs) == 0:
		return Removal{}, problem.New(problem.Invalid, "Deleting exchanges: none is selected. Select at least one.")
	case s.All:
		expr, err := filter.Parse(s.Filter)
		if err != nil {
			return Removal{}, err
		}
		sel = store.Selection{All: true, Filter: expr}
	default:
		sel = store.Selection{Seqs: s.Seqs}
	}
	token, count, err := c.store.Remove(sel)
	if err != nil {
		return Removal{}, err
	}
	c.gone.Store(true)
	return Removal{Token: token, Count: count}, nil
}

// UndoRemove brings back what a removal took.
func (c *Core) UndoRemove(_ context.Context, token int64) (Nothing, error) {
	err := c.store.Undo(token)
	c.gone.Store(true)
	return Nothing{}, err
}

// SetRecording turns capture on or off; traffic passes either way.
func (c *Core) SetRecording(_ context.Context, on bool) (Nothing, error) {
	c.recorder.SetRecording(on)
	return Nothing{}, nil
}
