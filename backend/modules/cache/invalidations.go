package cache

import (
	"slices"
	"strings"
	"sync"

	"proxycache/backend/cachestore"
)

// invalidations remembers the last ones, so that a response that was on its way when its URL was
// invalidated is not kept: it may be from before the change.
type invalidations struct {
	mu   sync.Mutex
	n    int64 // how many have been
	last [128]cachestore.Selection
}

func (i *invalidations) now() int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.n
}

func (i *invalidations) add(s cachestore.Selection) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last[i.n%int64(len(i.last))] = s
	i.n++
}

// since tells whether one after the first n was about r. Where not all of them are remembered it is
// taken for true.
func (i *invalidations) since(n int64, r *cachestore.Response) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.n-n > int64(len(i.last)) {
		return true
	}
	for ; n < i.n; n++ {
		if selects(&i.last[n%int64(len(i.last))], r) {
			return true
		}
	}
	return false
}

func selects(s *cachestore.Selection, r *cachestore.Response) bool {
	switch {
	case s.URL != "":
		return s.URL == r.URL
	case s.Prefix != "":
		return strings.HasPrefix(r.URL, s.Prefix)
	case s.Tag != "":
		return slices.Contains(r.Tags, s.Tag)
	}
	return s.Match != nil && s.Match.MatchString(r.URL)
}

// names says what f fetches, for those who drop by more than its URL.
func (t *flights) names(f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.fetches = f.entry
}

// dropSelected takes the fetches that s is about out of the table: who comes from now on does not wait for
// them. Which tags a response has is known with its head: until then every fetch may have the tag.
func (t *flights) dropSelected(s *cachestore.Selection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, f := range t.going {
		r := f.fetches
		if r == nil {
			url, _, _ := strings.Cut(key, "\n")
			r = &cachestore.Response{URL: url}
			if s.Tag != "" {
				r.Tags = []string{s.Tag}
			}
		}
		if selects(s, r) {
			delete(t.going, key)
		}
	}
}
