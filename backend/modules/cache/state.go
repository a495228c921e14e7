package cache

import (
	"fmt"
	"strings"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/policy"
	"proxycache/backend/schema"
)

// failureShown is how long a failure of the store is worth a warning.
const failureShown = time.Minute

// State is how full it is, and how often it was of use.
func (c *cache) State() policy.State {
	n, s := c.count, c.store().Stats()
	out := policy.State{Level: policy.Calm, Summary: c.summary(s)}
	if s.Down {
		out.Level, out.Summary = policy.Warn, "the store is not there, every request is fetched"
	} else if f := n.failure.Load(); f != nil && time.Since(f.at) < failureShown {
		out.Level, out.Summary = policy.Warn, f.text
	}
	gauge := func(name, help string, v int64) {
		if v >= 0 {
			out.Figures = append(out.Figures, policy.Figure{Name: name, Help: help, Value: float64(v)})
		}
	}
	total := func(name, help string, v int64) {
		out.Figures = append(out.Figures, policy.Figure{Name: name, Help: help, Counter: true, Value: float64(v)})
	}
	gauge("entries", "Responses that are stored.", s.Entries)
	gauge("bytes", "Bytes that they take.", s.Bytes)
	gauge("capacity_bytes", "Bytes that they may take.", s.Capacity)
	total("hits_total", "Requests answered with a fresh response from the store.", n.hits.Load())
	total("misses_total", "Requests that were fetched from the server.", n.misses.Load())
	total("stale_total", "Requests answered with a stale response.", n.stale.Load())
	total("revalidated_total", "Requests answered from the store after the server said that it is good still.", n.validated.Load())
	total("collapsed_total", "Requests answered by a fetch that another one had begun.", n.collapsed.Load())
	total("bypassed_total", "Requests that passed by the cache.", n.passed.Load())
	total("stored_total", "Responses that were stored.", n.stored.Load())
	total("not_stored_total", "Responses that may not be stored.", n.notStored.Load())
	total("too_large_total", "Responses that turned out larger than max_object.", n.tooLarge.Load())
	total("invalidated_total", "URLs that became invalid because a request changed something.", n.invalidated.Load())
	total("purged_total", "Responses that were purged.", n.purged.Load())
	total("evicted_total", "Responses that were pushed out by others.", s.Evicted)
	total("store_failures_total", "Times the store has failed.", n.failures.Load())
	return out
}

func (c *cache) summary(s cachestore.Stats) string {
	n := c.count
	var parts []string
	used := n.hits.Load() + n.stale.Load() + n.validated.Load() + n.collapsed.Load()
	if all := used + n.misses.Load(); all > 0 {
		parts = append(parts, fmt.Sprintf("%d %% hits", used*100/all))
	}
	if s.Entries >= 0 {
		parts = append(parts, counted(s.Entries))
	}
	if s.Bytes >= 0 && s.Capacity > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s", bytesOf(s.Bytes), schema.Size(s.Capacity)))
	}
	if len(parts) == 0 {
		return "nothing asked yet"
	}
	return strings.Join(parts, ", ")
}

func counted(n int64) string {
	if n == 1 {
		return "1 response"
	}
	return formatInt(n) + " responses"
}

// bytesOf is n for people.
func bytesOf(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
