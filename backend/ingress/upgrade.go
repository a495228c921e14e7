package ingress

import (
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
		if _, err := c.out.Write(t.upgradeHead(r)); err != nil {
			t.lost(err)
			return
		}
	}
	t.complete = true
	t.release() // it is a connection now
	carry(c.rest(), r.Upgraded)
}

func (t *turn) upgradeHead(r *flow.Response) []byte {
	if t.asking != nil {
		return t.asking.opened(t, r)
	}
	head := http1.AppendResponse(nil, "HTTP/1.1", r.Status, r.Reason, t.upgradeHeader(r))
	r.Begins("HTTP/1.1", head)
	return head
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
