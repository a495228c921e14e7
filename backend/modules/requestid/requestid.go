// Package requestid gives every exchange an id that both sides see.
package requestid

import (
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/template"
)

// Module is its entry in the palette.
var Module = policy.Module{
	Name: "requestid", Title: "Request ID", Summary: "Gives every request an id and tells it to both sides.",
	Icon: "hash", Stage: policy.Identify, Figure: "marked",
	Settings: func() policy.Settings { return new(Settings) },
}

// Settings say where the id stands and whose is taken.
type Settings struct {
	Header   string `toml:"header" title:"Header" help:"The field that carries the id." default:"X-Request-Id" required:"true" max:"100"`
	Keep     bool   `toml:"keep" title:"Keep the client's" help:"Takes over an id that a trusted client sends: up to 128 letters, digits and any of -_.~:+/=@." default:"true"`
	Response bool   `toml:"response" title:"On the response too" help:"Tells the id to the client as well." default:"true"`
}

func (s *Settings) Explain() string {
	out := "gives every request an id in " + s.Header
	if s.Keep {
		out += ", keeps that of a trusted client"
	}
	if s.Response {
		out += ", and tells it to the client"
	}
	return out
}

func (s *Settings) Check() []*problem.Problem {
	if err := template.CheckName(s.Header); err != nil {
		return []*problem.Problem{problem.Of(err).At("header")}
	}
	return nil
}

func (s *Settings) Policy(policy.Env) (policy.Policy, error) { return marker{*s}, nil }

// marker is the running policy.
type marker struct{ Settings }

func (m marker) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	id, why := m.choose(x)
	x.Note("id", id)
	if why == "" {
		x.Note("kept", "a trusted client sent it")
	} else {
		x.Note("made", why)
		x.Request.Header.Set(m.Header, id)
	}
	r, err := next(x)
	if err != nil || !m.Response || r.Status == 101 || r.Upgraded != nil {
		return r, err
	}
	if r.Header.Get(m.Header) != id {
		r.Header.Set(m.Header, id)
	}
	return r, nil
}

// choose is the id of x, and why it had to be made; "" when it is the client's own.
func (m marker) choose(x *flow.Exchange) (id, why string) {
	sent := x.Request.Header.Values(m.Header)
	switch {
	case len(sent) == 0:
		why = "the client sent none"
	case !m.Keep:
		why = "the client's is never kept"
	case !x.Trusted:
		why = "the client is not trusted"
	case len(sent) > 1:
		why = "the client sent several"
	case !plain(sent[0]):
		why = "the client's is too long or has odd characters"
	default:
		return sent[0], ""
	}
	return x.ID.String(), why
}

// longest is how many bytes of a client's id are believed: it ends up in the logs of others.
const longest = 128

func plain(id string) bool {
	return id != "" && len(id) <= longest && strings.IndexFunc(id, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_.~:+/=@", c))
	}) < 0
}
