package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"proxycache/backend/core"
)

const (
	// late is when an end is slow enough to say what it waits for.
	late = 300 * time.Millisecond
	// grace is how long calls of the interface may take to end.
	grace = 5 * time.Second
)

// Signals are those that end the program.
var Signals = endings()

// endings leaves out SIGHUP where nohup has it ignored: to listen to it would undo that.
func endings() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

// drain closes c, and by shut the interface beside it. Running exchanges have the time of the settings, or
// until a signal comes, and the terminal hears how far it is.
func (p Program) drain(c *core.Core, shut func(context.Context) error) error {
	signalled, stop := signal.NotifyContext(context.Background(), Signals...)
	defer stop()
	until := time.Now().Add(c.DrainTime())
	ctx, cancel := context.WithDeadline(signalled, until)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- closeAll(ctx, signalled, c, shut) }()
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

// closeAll ends the traffic, until ctx, and the calls of the interface, until the grace is over or
// signalled, beside each other, and then what both stand on.
func closeAll(ctx, signalled context.Context, c *core.Core, shut func(context.Context) error) error {
	calls, cancel := context.WithTimeout(signalled, grace)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- shut(calls) }()
	err := c.Drain(ctx)
	interfaceErr := <-ended
	if errors.Is(interfaceErr, calls.Err()) {
		interfaceErr = nil // a call that took longer ends with the program
	}
	return errors.Join(err, interfaceErr, c.Close(ctx))
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
