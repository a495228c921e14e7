package record

import "proxycache/backend/flow"

// changesKept bounds what waits to be told where nobody asks, or not often enough.
const changesKept = 2048

// changes are the exchanges that have changed and were not told of since, oldest change first. The
// recorder's mu guards it.
type changes struct {
	list []*watch
	gone bool // some were dropped
}

func (c *changes) add(w *watch) {
	if w.listed.Load() {
		return
	}
	if len(c.list) == changesKept {
		c.list[0].listed.Store(false)
		c.list[0] = nil
		c.list, c.gone = c.list[1:], true
	}
	w.listed.Store(true)
	c.list = append(c.list, w)
}

func (c *changes) take(n int) (rows []flow.Row, more bool) {
	n = min(n, len(c.list))
	for i, w := range c.list[:n] {
		w.listed.Store(false)
		rows = append(rows, w.row())
		c.list[i] = nil
	}
	c.list = c.list[n:]
	if len(c.list) == 0 {
		c.list = nil
	}
	more = len(c.list) > 0 || c.gone
	c.gone = false
	return rows, more
}
