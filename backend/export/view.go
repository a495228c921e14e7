package export

import (
	"strings"

	"proxycache/backend/flow"
)

// view is an exchange as it is exported: its fields read from the raw heads, its secrets blanked if
// that is wished.
type view struct {
	*flow.Record
	url, target       string
	request, response flow.Header // with what is per hop
	requestTrailer    flow.Header
	responseTrailer   flow.Header
	trail             flow.Trail
	problem           string
}

func (e exporter) view(r *flow.Record) view {
	v := view{
		Record: r, url: urlOf(r), target: r.Target,
		request: fieldsOf(r.RequestHead), response: fieldsOf(r.ResponseHead),
		requestTrailer: r.RequestTrailer, responseTrailer: r.ResponseTrailer, trail: r.Trail,
	}
	if r.Problem != nil {
		v.problem = r.Problem.Message
	}
	if e.options.Redact {
		v.blank()
	}
	return v
}

func (v *view) blank() {
	var b blanks
	v.url, v.target = b.url(v.url), b.url(v.target)
	v.request, v.response = b.fields(v.request), b.fields(v.response)
	v.requestTrailer, v.responseTrailer = b.fields(v.requestTrailer), b.fields(v.responseTrailer)
	trail := make(flow.Trail, len(v.trail))
	for i, step := range v.trail {
		step.Request, step.Response = b.delta(step.Request), b.delta(step.Response)
		trail[i] = step
	}
	clean := b.mentions() // now that all of them were seen
	for i := range trail {
		trail[i].Why = clean(trail[i].Why)
		facts := make([]flow.Fact, len(trail[i].Facts))
		for k, f := range trail[i].Facts {
			facts[k] = flow.Fact{Name: f.Name, Value: clean(f.Value)}
		}
		trail[i].Facts = facts
	}
	v.trail, v.problem = trail, clean(v.problem)
}

// delta blanks what a cell changed. A line is "GET /path?query HTTP/1.1".
func (b *blanks) delta(of *flow.Delta) *flow.Delta {
	if of == nil {
		return nil
	}
	d := *of
	edits := make([]flow.FieldEdit, len(d.Header))
	for i, edit := range d.Header {
		was, now := b.fields(flow.Header{{Name: edit.Name, Value: edit.Was}}), b.fields(flow.Header{{Name: edit.Name, Value: edit.Now}})
		edit.Was, edit.Now = was[0].Value, now[0].Value
		edits[i] = edit
	}
	d.Header = edits
	for i, line := range d.Line {
		words := strings.Split(line, " ")
		for k := range words {
			words[k] = b.url(words[k])
		}
		d.Line[i] = strings.Join(words, " ")
	}
	return &d
}
