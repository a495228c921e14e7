package cli

import (
	"context"
	"fmt"
	"io"

	"proxycache/backend/core"
)

// poolPrefix is before the name of a pool where it stands among cells.
const poolPrefix = "upstream/"

// pools asks how the pools of the configuration stand.
func (r remote) pools(ctx context.Context) (named []core.PoolFigure, err error) {
	var figures core.Figures
	if err := r.call(ctx, "figures", nil, &figures); err != nil {
		return nil, err
	}
	for _, p := range figures.Pools {
		if p.Pool != "" { // that of the targets that clients name
			named = append(named, p)
		}
	}
	return named, nil
}

// standing is how a pool stands, in a word and a few more: as the cells say it.
func standing(p core.PoolFigure) (level, summary string) {
	usable, members := 0, 0
	for _, t := range p.Targets {
		if t.Weight == 0 { // it only has connections left from before
			continue
		}
		members++
		if t.State == "healthy" || t.State == "unknown" {
			usable++
		}
	}
	switch summary = fmt.Sprintf("%d of %d targets can be asked", usable, members); {
	case usable == members:
		return "calm", summary
	case usable > 0:
		return "warn", summary
	}
	return "alarm", summary
}

// showPool tells of each target its state, how it came to it, and its figures.
func showPool(w io.Writer, p core.PoolFigure) {
	level, summary := standing(p)
	fmt.Fprintf(w, "%s%s: %s, %s\n", poolPrefix, p.Pool, level, summary)
	for _, t := range p.Targets {
		fmt.Fprintf(w, "  %s is %s%s\n", t.Target, t.State, because(t.Reason))
		for _, change := range t.History {
			fmt.Fprintf(w, "    %s was %s%s (%s)\n", t.Target, change.State, because(change.Reason), change.At)
		}
		fmt.Fprintf(w, "    %s has weight %.3g of %d, %d in flight, %d ejections", t.Target, t.EffectiveWeight, t.Weight, t.InFlight, t.Ejections)
		if t.Backup {
			fmt.Fprint(w, ", backup")
		}
		fmt.Fprintf(w, "\n    %s has %s\n", t.Target, connections(t.Connections))
	}
}

func connections(c core.Connections) string {
	out := fmt.Sprintf("%d connections open, %d idle, %d waiting", c.Open, c.Idle, c.Waiting)
	if c.Streams > 0 {
		out += fmt.Sprintf(", %d streams of HTTP/2", c.Streams)
	}
	return out
}

// because is a reason behind what it is of; nothing where there is none.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
