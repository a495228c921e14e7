package cachestore

import (
	"slices"
	"strings"
	"time"
)

// index finds the entries that mention something: a URL, a tag.
type index map[string]*mention

// mention is one entry's place in a chain of an index.
type mention struct {
	entry      *entry
	next, prev *mention
}

func (x index) add(name string, m *mention) {
	m.prev, m.next = nil, x[name]
	if m.next != nil {
		m.next.prev = m
	}
	x[name] = m
}

func (x index) remove(name string, m *mention) {
	switch {
	case m.prev != nil:
		m.prev.next = m.next
	case m.next != nil:
		// The key is taken from the next one: this one's text would stay in memory with it.
		delete(x, name)
		x[m.next.entry.spelling(name)] = m.next
	default:
		delete(x, name)
	}
	if m.next != nil {
		m.next.prev = m.prev
	}
	m.next, m.prev = nil, nil
}

// spelling is name, which is e's URL or one of its tags, in e's own text.
func (e *entry) spelling(name string) string {
	if i := slices.Index(e.response.Tags, name); i >= 0 {
		return e.response.Tags[i]
	}
	return e.response.URL
}

func (m *memory) mention(e *entry) {
	e.url.entry = e
	m.urls.add(e.response.URL, &e.url)
	e.tags = make([]mention, len(e.response.Tags))
	for i, tag := range e.response.Tags {
		e.tags[i].entry = e
		m.tags.add(tag, &e.tags[i])
	}
}

func (m *memory) unmention(e *entry) {
	m.urls.remove(e.response.URL, &e.url)
	for i, tag := range e.response.Tags {
		m.tags.remove(tag, &e.tags[i])
	}
	e.tags = nil
}

// step is how many entries a walk looks at before it lets others in.
const step = 256

func (m *memory) Purge(s Selection, soft bool) (int, error) {
	switch {
	case s.URL != "":
		return m.purgeChain(m.urls, s.URL, soft), nil
	case s.Tag != "":
		return m.purgeChain(m.tags, s.Tag, soft), nil
	}
	return m.purgeWalk(s, soft), nil
}

// purgeChain purges what an index holds under name.
func (m *memory) purgeChain(x index, name string, soft bool) (n int) {
	m.mu.Lock()
	var chosen []*entry
	for at := x[name]; at != nil; at = at.next {
		if len(chosen) == 0 || chosen[len(chosen)-1] != at.entry { // a tag can be there twice
			chosen = append(chosen, at.entry)
		}
	}
	m.mu.Unlock()
	now := time.Now()
	for some := range slices.Chunk(chosen, step) {
		m.mu.Lock()
		for _, e := range some {
			if !e.gone.Load() {
				n += m.purge(e, soft, now)
			}
		}
		m.mu.Unlock()
	}
	return n
}

// purgeWalk looks at every entry that was there when it began, from the end: what is removed meanwhile
// puts the last one, which was looked at, into the gap.
func (m *memory) purgeWalk(s Selection, soft bool) (n int) {
	now := time.Now()
	for at := int(^uint(0) >> 1); at > 0; {
		m.mu.Lock()
		at = min(at, len(m.all))
		for until := max(0, at-step); at > until; {
			at--
			if at < len(m.all) && s.matches(m.all[at].response) {
				n += m.purge(m.all[at], soft, now)
			}
		}
		m.mu.Unlock()
	}
	return n
}

// purge purges e and tells how many responses that were: a mark is none, nor one whose time is over.
func (m *memory) purge(e *entry, soft bool, now time.Time) (n int) {
	if e.response.Status != 0 && !dropped(e.response, now) {
		n = 1
	}
	switch {
	case !soft:
		m.remove(e)
	case n == 1 && !e.response.Purged:
		marked := *e.response
		marked.Purged = true
		e.response = &marked
	}
	return n
}

// matches tells whether r is among what s selects.
func (s Selection) matches(r *Response) bool {
	switch {
	case s.URL != "":
		return r.URL == s.URL
	case s.Prefix != "":
		return strings.HasPrefix(r.URL, s.Prefix)
	case s.Tag != "":
		return slices.Contains(r.Tags, s.Tag)
	case s.Match != nil:
		return s.Match.MatchString(r.URL)
	}
	return false
}
