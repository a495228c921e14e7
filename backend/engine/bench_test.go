package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"proxycache/backend/config"
	"proxycache/backend/flow"
	"proxycache/backend/policy"
)

// idle hands on and changes nothing.
type idle struct{}

func (idle) Explain() string                                                  { return "does nothing" }
func (idle) Policy(policy.Env) (policy.Policy, error)                         { return idle{}, nil }
func (idle) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) { return next(x) }

// What metering costs: cells that do nothing in front of one that answers.
func BenchmarkCells(b *testing.B) {
	modules := map[string]policy.Module{
		"idle":   {Name: "idle", Settings: func() policy.Settings { return &idle{} }},
		"answer": {Name: "answer", Settings: func() policy.Settings { return &answering{} }},
	}
	for _, n := range []int{0, 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := New(Options{Module: func(name string) (policy.Module, bool) { m, ok := modules[name]; return m, ok }})
			doc := &config.Document{Version: 1, Routes: []config.Route{{Name: "all"}}}
			for i := range n {
				doc.Routes[0].Cells = append(doc.Routes[0].Cells, config.Cell{ID: fmt.Sprint("idle-", i), Use: "idle", Settings: config.Settings{}})
			}
			doc.Routes[0].Cells = append(doc.Routes[0].Cells, config.Cell{ID: "answer", Use: "answer", Settings: config.Settings{}})
			plan, err := e.Prepare(doc)
			if err != nil {
				b.Fatal(err)
			}
			e.Swap(plan)
			defer e.Close()
			r := &flow.Request{Method: "GET", Scheme: "http", Authority: "shop.test", Target: "/" + strings.Repeat("x", 20), Body: flow.NoBody}
			b.ReportAllocs()
			for b.Loop() {
				x := flow.NewExchange(context.Background(), flow.Reverse, r)
				if e.Handle(x).Status != 204 {
					b.Fatal(x.Problem)
				}
			}
		})
	}
}

type answering struct{}

func (answering) Explain() string                          { return "answers 204" }
func (answering) Policy(policy.Env) (policy.Policy, error) { return answering{}, nil }
func (answering) Apply(*flow.Exchange, policy.Next) (*flow.Response, error) {
	return &flow.Response{Status: 204, Body: flow.NoBody}, nil
}
