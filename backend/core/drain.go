package core

import "context"

// Drain is the first half of Close: the traffic ends, and running exchanges have until ctx does. What the
// doors for people read stays open, so that their calls may end beside it.
func (c *Core) Drain(ctx context.Context) error {
	c.stop()
	c.running.Wait()
	c.tour.stop()
	c.launched.stop()
	return c.ingress.Shutdown(ctx)
}
