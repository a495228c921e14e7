package cachestore

// Update replaces what it has read only, by Memcached's own comparison. Where the time of r is over, the
// item is not served from then on, and leaves within a second.
func (c *cached) Update(r, was *Response) error {
	old, err := c.load(r.Key)
	if old == nil || !old.response.same(was) {
		return err
	}
	marks, err := c.marks(r)
	if err != nil || old.outdated(r, marks) {
		return err
	}
	old.item.Value, old.item.Expiration = appendItem(r, marks, old.body), expiration(r)
	err = c.ask("updating a response in", func() error { return c.client.CompareAndSwap(old.item) })
	if err != nil && ofItem(err) { // it has gone, or is another
		return nil
	}
	return err
}

// outdated tells whether s was purged since it was read: marks are the generations that count for r, its
// successor.
func (s *stored) outdated(r *Response, marks []generation) bool {
	now := map[string]generation{}
	for i, key := range generationKeys(r) {
		now[key] = marks[i]
	}
	for i, key := range generationKeys(s.response) {
		if g, ok := now[key]; ok && g != s.now[i] {
			return true
		}
	}
	return false
}
