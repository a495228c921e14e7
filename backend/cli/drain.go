package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"proxycache/backend/core"
)

// late is when an end is slow enough to say what it waits for.
const late = 300 * time.Millisecond

// drain closes c. Running exchanges have the time of the settings, or until a signal comes, and the
// terminal hears how far it is.
func (p Program) drain(c *core.Core) error {
	until := time.Now().Add(c.DrainTime())
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	closed := make(chan error, 1)
	go func() { closed <- c.Close(ctx) }()
	tick := time.NewTimer(late)
	defer tick.Stop()
	for said := ""; ; tick.Reset(time.Second) {
		select {
		case err := <-closed:
			return err
		case <-tick.C:
		}
		if line := waitingFor(c.Left().Requests, time.Until(until)); line != said && line != "" && ctx.Err() == nil {
			said = line
			fmt.Fprintln(p.Out, line) // a terminal that is gone does not stop the end
		}
	}
}

// waitingFor is what the terminal hears; "" when there is nothing to wait for.
func waitingFor(requests int, left time.Duration) string {
	seconds := (max(0, left) + time.Second/2) / time.Second
	switch requests {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("waiting for 1 request, %d s left; Ctrl+C ends it now", seconds)
	}
	return fmt.Sprintf("waiting for %d requests, %d s left; Ctrl+C ends them now", requests, seconds)
}
