package retry

import (
	"fmt"
	"time"

	"proxycache/backend/policy"
)

// State tells how much was repeated.
func (p *retrier) State() policy.State {
	b := p.budget
	repeating, short := b.short(time.Now())
	retries, refused := b.retries.Load(), b.refused.Load()
	s := policy.State{Level: policy.Calm, Summary: fmt.Sprintf("%d repeated", retries)}
	if short {
		s.Level = policy.Warn
		s.Summary += ", the budget is used up"
	}
	s.Figures = []policy.Figure{
		{Name: "active", Help: "Requests under way.", Value: float64(b.active.Load())},
		{Name: "repeating", Help: "Repetitions under way or waiting for their turn.", Value: float64(repeating)},
		{Name: "retries_total", Help: "Attempts after the first.", Counter: true, Value: float64(retries)},
		{Name: "recovered_total", Help: "Requests that were answered well after more than one attempt.", Counter: true, Value: float64(b.recovered.Load())},
		{Name: "over_budget_total", Help: "Repetitions that the budget did not allow.", Counter: true, Value: float64(refused)},
		{Name: "hedges_total", Help: "Requests sent beside the first.", Counter: true, Value: float64(b.hedges.Load())},
		{Name: "hedges_won_total", Help: "Hedged requests whose answer came from one beside the first.", Counter: true, Value: float64(b.hedgesWon.Load())},
	}
	return s
}
