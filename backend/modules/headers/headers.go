// Package headers sets, adds and removes fields of the request and of the response.
package headers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
	"proxycache/backend/template"
)

// Module is its entry in the palette.
var Module = policy.Module{
	Name: "headers", Title: "Headers", Summary: "Sets, adds and removes fields of the request and the response.",
	Icon: "heading", Stage: policy.Shape, Figure: "changed",
	Settings: func() policy.Settings { return new(Settings) },
}

// Settings are the changes in both directions. Fields are removed first, then set, then added.
type Settings struct {
	RequestSet     []schema.Pair `toml:"request_set" title:"Set on the request" help:"Leaves exactly one field of that name. ${…} takes values of the exchange: ${method}, ${client.ip}, ${request.header.accept}." max:"100"`
	RequestAdd     []schema.Pair `toml:"request_add" title:"Add to the request" help:"Adds a field beside those of that name." max:"100"`
	RequestRemove  []string      `toml:"request_remove" title:"Remove from the request" help:"Removes every field of that name." placeholder:"Cookie" max:"100"`
	ResponseSet    []schema.Pair `toml:"response_set" title:"Set on the response" help:"Leaves exactly one field of that name. ${status} and ${response.header.server} are known here, too." max:"100"`
	ResponseAdd    []schema.Pair `toml:"response_add" title:"Add to the response" help:"Adds a field beside those of that name." max:"100"`
	ResponseRemove []string      `toml:"response_remove" title:"Remove from the response" help:"Removes every field of that name." placeholder:"Server" max:"100"`
}

func (s *Settings) Explain() string {
	var sides []string
	for _, side := range []struct {
		name     string
		set, add []schema.Pair
		remove   []string
	}{
		{"request", s.RequestSet, s.RequestAdd, s.RequestRemove},
		{"response", s.ResponseSet, s.ResponseAdd, s.ResponseRemove},
	} {
		var acts []string
		acts = told(acts, "sets", names(side.set))
		acts = told(acts, "adds", names(side.add))
		acts = told(acts, "removes", side.remove)
		if len(acts) > 0 {
			sides = append(sides, strings.Join(acts, ", ")+" on the "+side.name)
		}
	}
	if len(sides) == 0 {
		return "changes nothing until a field is named"
	}
	return strings.Join(sides, "; ")
}

func told(acts []string, verb string, fields []string) []string {
	switch len(fields) {
	case 0:
		return acts
	case 1, 2:
		return append(acts, verb+" "+strings.Join(fields, " and "))
	}
	return append(acts, fmt.Sprintf("%s %d fields", verb, len(fields)))
}

func names(pairs []schema.Pair) []string {
	out := make([]string, len(pairs))
	for i, p := range pairs {
		out[i] = p.Name
	}
	return out
}

func (s *Settings) Check() []*problem.Problem {
	_, problems := s.rewriter()
	return problems
}

func (s *Settings) Policy(policy.Env) (policy.Policy, error) {
	r, problems := s.rewriter()
	if err := problems.Err(); err != nil {
		return nil, err
	}
	if r.response.none() {
		return policy.OneWay(r.enter), nil
	}
	return r, nil
}

func (s *Settings) rewriter() (*rewriter, problem.List) {
	var b builder
	r := &rewriter{
		request: edits{
			remove: b.names("request_remove", s.RequestRemove),
			set:    b.fields("request_set", s.RequestSet, template.Request),
			add:    b.fields("request_add", s.RequestAdd, template.Request),
		},
		response: edits{
			remove: b.names("response_remove", s.ResponseRemove),
			set:    b.fields("response_set", s.ResponseSet, template.Response),
			add:    b.fields("response_add", s.ResponseAdd, template.Response),
		},
	}
	b.oneHost(s)
	return r, b.problems
}

// builder gathers what stands against the settings.
type builder struct{ problems problem.List }

func (b *builder) fields(setting string, pairs []schema.Pair, side template.Side) []template.Field {
	fields, problems := template.Fields(pairs, side)
	for _, p := range problems {
		b.problems = append(b.problems, p.At(setting+"."+p.Where))
	}
	return fields
}

func (b *builder) names(setting string, names []string) []string {
	for i, name := range names {
		if err := template.CheckName(name); err != nil {
			b.problems = append(b.problems, problem.Of(err).At(setting+"."+strconv.Itoa(i+1)))
		}
	}
	return names
}

// oneHost keeps exactly one Host on a request (RFC 9112 §3.2).
func (b *builder) oneHost(s *Settings) {
	isHost := func(name string) bool { return flow.EqualFold(name, "Host") }
	for setting, fields := range map[string][]string{"request_add": names(s.RequestAdd), "request_remove": s.RequestRemove} {
		if slices.ContainsFunc(fields, isHost) {
			b.problems = append(b.problems, problem.New(problem.Invalid, "a request has exactly one Host: set it in request_set instead").At(setting))
		}
	}
}

// rewriter is the running policy.
type rewriter struct{ request, response edits }

func (p *rewriter) enter(x *flow.Exchange) (*flow.Response, error) {
	p.request.apply(&x.Request.Header, x, nil)
	return nil, nil
}

func (p *rewriter) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	p.request.apply(&x.Request.Header, x, nil)
	r, err := next(x)
	if err != nil || r.Status == 101 || r.Upgraded != nil {
		return r, err
	}
	p.response.apply(&r.Header, x, r)
	return r, nil
}

// edits are the changes to one message.
type edits struct {
	remove   []string
	set, add []template.Field
}

func (e *edits) none() bool { return len(e.remove)+len(e.set)+len(e.add) == 0 }

func (e edits) apply(h *flow.Header, x *flow.Exchange, r *flow.Response) {
	if len(e.remove)+len(e.set)+len(e.add) == 0 {
		return
	}
	out := slices.Clip(*h) // so that adding never writes behind a list that somebody else keeps
	for _, name := range e.remove {
		out.Del(name)
	}
	// Values are asked of the message as it came: setting X from Y and Y from X swaps them.
	for _, f := range e.set {
		out.Set(f.Name, f.Fill(x, r))
	}
	for _, f := range e.add {
		out.Add(f.Name, f.Fill(x, r))
	}
	*h = out
}
