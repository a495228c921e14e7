package policy

import (
	"io"
	"sync"
)

// Keep holds what outlives an edit of the configuration: the contents of a cache, open windows, the
// state of a breaker. One Keep serves an engine; values are found by cell id and kind.
type Keep struct {
	mu     sync.Mutex
	values map[keepKey]any
}

type keepKey struct{ cell, kind string }

// Kept returns the value that the cell of env had under kind in the plan before, or makes it. A value
// of another type (the module changed) is closed if it can be, and made anew.
func Kept[T any](env Env, kind string, make func() T) T {
	k := env.keep
	k.mu.Lock()
	defer k.mu.Unlock()
	key := keepKey{env.Cell, kind}
	if v, ok := k.values[key]; ok {
		if t, ok := v.(T); ok {
			return t
		}
		closeKept(v)
	}
	t := make()
	if k.values == nil {
		k.values = map[keepKey]any{}
	}
	k.values[key] = t
	return t
}

// Retain drops and closes the values of every cell that is not among cells.
func (k *Keep) Retain(cells map[string]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, v := range k.values {
		if !cells[key.cell] {
			delete(k.values, key)
			closeKept(v)
		}
	}
}

func closeKept(v any) {
	if c, ok := v.(io.Closer); ok {
		_ = c.Close() // nothing reads it any more
	}
}
