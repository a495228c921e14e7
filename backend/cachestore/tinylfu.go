package cachestore

import "time"

// rank is the list that an entry stands in.
type rank uint8

const (
	window    rank = iota // newcomers, by recency
	probation             // in the main part, asked for once since they came there
	protected             // in the main part, asked for again
	ranks
)

// tinyLFU decides who leaves a full store: W-TinyLFU (Einziger, Friedman, Manes 2017). Newcomers stand in
// a window of a tenth; who falls out of it takes the place of the main part's oldest only when it was asked
// for more often. So a crawl that asks for everything once pushes out nothing that is used.
type tinyLFU struct {
	lists      [ranks]ring
	limits     [ranks]int64 // bytes; probation has what the others leave
	popularity sketch
}

// bound shares out so many bytes; after a store was made smaller there can be less than none for a while.
func (t *tinyLFU) bound(room int64) {
	room = max(room, 0)
	t.limits[window] = room / 10
	t.limits[protected] = (room - room/10) / 5 * 4
}

// grow makes the memory of popularity fit so many entries.
func (t *tinyLFU) grow(entries int) { t.popularity.grow(entries) }

// add takes e in, and returns who fell out of the window into the main part last: the candidate that has
// to defend its place.
func (t *tinyLFU) add(e *entry) (candidate *entry) {
	t.popularity.add(e.hash)
	if e.cost > t.limits[window] { // it would push all the others out of the window
		e.rank = probation
		t.lists[probation].push(e)
		return e
	}
	e.rank = window
	t.lists[window].push(e)
	for t.lists[window].bytes > t.limits[window] {
		candidate = t.lists[window].oldest()
		t.move(candidate, probation)
	}
	return candidate
}

func (t *tinyLFU) move(e *entry, to rank) {
	t.lists[e.rank].remove(e)
	e.rank = to
	t.lists[to].push(e)
}

// touch notes that e was asked for.
func (t *tinyLFU) touch(e *entry) {
	t.popularity.add(e.hash)
	if e.rank != probation {
		t.move(e, e.rank)
		return
	}
	t.move(e, protected)
	for t.lists[protected].bytes > t.limits[protected] {
		t.move(t.lists[protected].oldest(), probation)
	}
}

// victim is who has to leave, nil where nobody is left.
func (t *tinyLFU) victim(candidate *entry, now time.Time) *entry {
	in := candidate != nil && candidate.rank == probation && candidate.prev != nil
	oldest := t.idle(probation)
	if in && oldest == candidate { // alone there, or everybody older has left
		oldest = t.idle(protected)
	}
	if oldest == nil {
		oldest = t.idle(protected)
	}
	switch {
	case oldest == nil && in:
		return candidate
	case oldest == nil:
		return t.anybody()
	case in && !dropped(oldest.response, now) && t.popularity.count(candidate.hash) <= t.popularity.count(oldest.hash):
		return candidate
	}
	return oldest
}

// idle is the oldest of a list whom nobody reads, or nil. Who is read keeps his room when he leaves, so
// that others would have to leave after him; he counts as asked for just now.
func (t *tinyLFU) idle(in rank) *entry {
	var spared *entry // the first
	for e := t.lists[in].oldest(); e != nil && e != spared; e = t.lists[in].oldest() {
		if e.readers.Load() == 0 {
			return e
		}
		if spared == nil {
			spared = e
		}
		t.move(e, in)
	}
	return nil
}

// anybody is who leaves where all but newcomers are read: one of those, or the oldest.
func (t *tinyLFU) anybody() *entry {
	if e := t.idle(window); e != nil {
		return e
	}
	for _, r := range [...]rank{probation, protected, window} {
		if e := t.lists[r].oldest(); e != nil {
			return e
		}
	}
	return nil
}

func (t *tinyLFU) remove(e *entry) { t.lists[e.rank].remove(e) }

// resize notes that e will cost so much.
func (t *tinyLFU) resize(e *entry, cost int64) { t.lists[e.rank].bytes += cost - e.cost }

// ring is a list of entries, the newest after the head.
type ring struct {
	head  entry // holds nothing
	bytes int64
}

func (r *ring) push(e *entry) {
	if r.head.next == nil {
		r.head.next, r.head.prev = &r.head, &r.head
	}
	e.prev, e.next = &r.head, r.head.next
	e.next.prev, r.head.next = e, e
	r.bytes += e.cost
}

func (r *ring) remove(e *entry) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	r.bytes -= e.cost
}

func (r *ring) oldest() *entry {
	if r.head.prev == nil || r.head.prev == &r.head {
		return nil
	}
	return r.head.prev
}
