package policytest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// plain is a module that keeps the laws, but for what act does.
type plain struct {
	Name string `toml:"name" help:"A name." default:"x"`

	sentence string
	act      func(x *flow.Exchange, next policy.Next) (*flow.Response, error)
	close    func() error
}

func (s *plain) Explain() string { return s.sentence }

func (s *plain) Policy(policy.Env) (policy.Policy, error) { return acting{s.act, s.close}, nil }

type acting struct {
	act   func(x *flow.Exchange, next policy.Next) (*flow.Response, error)
	close func() error
}

func (a acting) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	return a.act(x, next)
}
func (a acting) Close() error { return a.close() }

func pass(x *flow.Exchange, next policy.Next) (*flow.Response, error) { return next(x) }

func moduleOf(edit func(*plain)) policy.Module {
	return policy.Module{
		Name: "plain", Title: "Plain", Summary: "Does one thing.", Icon: "hash", Stage: policy.Shape, Figure: "changed",
		Settings: func() policy.Settings {
			s := &plain{sentence: "does one thing", act: pass, close: func() error { return nil }}
			edit(s)
			return s
		},
	}
}

// sealed is a plain without functions, which are never equal to each other.
type sealed struct {
	Name string `toml:"name" help:"A name." default:"x"`
}

func (*sealed) Explain() string { return "does one thing" }
func (*sealed) Policy(policy.Env) (policy.Policy, error) {
	return acting{pass, func() error { return nil }}, nil
}

func TestAModuleThatKeepsTheLawsHasNoFaults(t *testing.T) {
	m := moduleOf(func(*plain) {})
	m.Settings = func() policy.Settings { return &sealed{} }
	Laws(t, m, map[string]any{"name": "y"})
}

func TestEachLawFindsWhoBreaksIt(t *testing.T) {
	leak := make(chan struct{})
	defer close(leak)
	for what, c := range map[string]struct {
		edit func(*plain)
		says string
	}{
		"an empty sentence": {func(s *plain) { s.sentence = "" }, "explains itself as"},
		"a full stop":       {func(s *plain) { s.sentence = "does it." }, "explains itself as"},
		"both": {func(s *plain) {
			s.act = func(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
				r, _ := next(x)
				return r, errors.New("and yet")
			}
		}, "one of both is needed"},
		"another error": {func(s *plain) {
			s.act = func(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
				r, err := next(x)
				if err != nil {
					err = problem.Wrap(problem.Internal, err, "wrapped")
				}
				return r, err
			}
		}, "goes back unchanged"},
		"an open body": {func(s *plain) {
			s.act = func(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
				if _, err := next(x); err != nil {
					return nil, err
				}
				return flow.NewResponse(200, "", nil), nil
			}
		}, "leaves the body from behind it open"},
		"an open request": {func(s *plain) {
			s.act = func(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
				x.Request.Body = flow.NoBody
				return next(x)
			}
		}, "left the old one open"},
		"a changed 101": {func(s *plain) {
			s.act = func(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
				r, err := next(x)
				if err == nil {
					r.Header.Set("X-Mark", "yes")
				}
				return r, err
			}
		}, "does not leave a 101 alone"},
		"a goroutine": {func(s *plain) {
			s.act = func(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
				go func() { <-leak }()
				return next(x)
			}
		}, "leaves goroutines behind"},
		"a Close that fails": {func(s *plain) { s.close = func() error { return errors.New("stuck") } }, "its Close fails"},
	} {
		found := faults(moduleOf(c.edit), nil)
		if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.says) }) {
			t.Errorf("%s: found %q, want %q", what, found, c.says)
		}
	}
}

type bare struct {
	Name  string `toml:"name" required:"true"`
	Other int    `toml:"other" help:"Another." max:"3" default:"1"`
}

func (*bare) Explain() string { return "does one thing" }
func (*bare) Policy(policy.Env) (policy.Policy, error) {
	return nil, problem.New(problem.Invalid, "not made")
}

func TestTheDescriptionIsHeldToTheLaws(t *testing.T) {
	m := policy.Module{Name: "bare", Summary: "No stop", Settings: func() policy.Settings { return &bare{} }}
	found := strings.Join(append(faults(m, nil), faults(m, []map[string]any{{"name": "a", "other": int64(9)}, {"name": "b"}})...), "\n")
	for _, says := range []string{
		"has no title", "has no icon", "has no stage", "has no figure", "no sentence", "the setting name has no help",
		"give an example", "do not stand", "make no policy",
	} {
		if !strings.Contains(found, says) {
			t.Errorf("%q is not among the faults:\n%s", says, found)
		}
	}
}
