package ingress

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// upgrade answers 101, or a CONNECT's 200, and carries bytes both ways until both sides are done.
func (t *turn) upgrade(r *flow.Response) {
	c := t.client
	c.in.unwatch()
	c.out.open(nil)
	if !c.openEnded() {
		c.cut()
		return
	}
	if !t.answered {
		head := http1.AppendResponse(nil, "HTTP/1.1", r.Status, t.upgradeReason(r), t.upgradeHeader(r))
		if _, err := c.out.Write(head); err != nil {
			c.left()
			return
		}
	}
	t.complete = true
	carry(c.rest(), r.Upgraded)
}

func (t *turn) upgradeReason(r *flow.Response) string {
	if r.Reason == "" && t.door == flow.Tunnel {
		return "Connection established"
	}
	return r.Reason
}

// openEnded says that what follows has no end of its own; false when a shutdown came first.
func (c *client) openEnded() bool {
	c.stage.Store(endless)
	return !c.server.draining.Load()
}

// upgradeHeader keeps the target's fields and what RFC 9110 §7.8 asks of a 101.
func (t *turn) upgradeHeader(r *flow.Response) flow.Header {
	var h flow.Header
	named, connection := false, false
	for _, f := range r.Header {
		switch {
		case r.Status == 101 && flow.EqualFold(f.Name, "Upgrade"):
			named = true
		case r.Status == 101 && flow.EqualFold(f.Name, "Connection"):
			if connection {
				continue
			}
			connection = true
			f.Value = "Upgrade"
		case hopByHop(f.Name), flow.EqualFold(f.Name, "Content-Length"):
			continue
		}
		h = append(h, f)
	}
	if r.Status != 101 {
		return h
	}
	if !named {
		h.Add("Upgrade", t.request.UpgradeTo())
	}
	if !connection {
		h.Add("Connection", "Upgrade")
	}
	return h
}

// halfOpen is how long one direction may be silent after the other ended: a side that closed for
// good looks the same as one that only has nothing more to say.
const halfOpen = 60 * time.Second

// carry copies both ways. An end of one side is passed on as the end of that direction alone; an
// error ends both. It closes both sides.
func carry(client *joined, target io.ReadWriteCloser) {
	var moved atomic.Int64
	var closing sync.Once
	closeBoth := func() {
		closing.Do(func() {
			_ = client.Close() // nobody is left to tell
			_ = target.Close()
		})
	}
	defer closeBoth()
	ended := make(chan struct{}, 2)
	way := func(to io.Writer, from io.Reader) {
		if _, err := io.Copy(counted{to, &moved}, from); err != nil || !endWriting(to) {
			closeBoth()
		}
		ended <- struct{}{}
	}
	go way(target, client)
	go way(client, target)
	<-ended
	for silent := int64(-1); ; {
		timer := time.NewTimer(halfOpen)
		select {
		case <-ended:
			timer.Stop()
			return
		case <-timer.C:
		}
		if now := moved.Load(); now == silent {
			closeBoth()
			<-ended
			return
		} else {
			silent = now
		}
	}
}

// endWriting passes an end on; false when there is no way to end one direction alone.
func endWriting(to io.Writer) bool {
	half, ok := to.(interface{ CloseWrite() error })
	if !ok {
		return false
	}
	err := half.CloseWrite()
	return err == nil || errors.Is(err, net.ErrClosed)
}

// counted counts what is written.
type counted struct {
	to io.Writer
	n  *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n.Add(int64(n))
	return n, err
}
