package store

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"sync"
)

// hash is the SHA-256 of a body; its prefix is what bodies are sorted by.
type (
	hash   [sha256.Size]byte
	prefix [8]byte
)

func (h hash) prefix() prefix { return prefix(h[:]) }

var errNoHash = errors.New("a body has no SHA-256")

func parseHash(text string) (h hash, err error) {
	var digits [2 * len(h)]byte
	if len(text) != len(digits) {
		return h, errNoHash
	}
	copy(digits[:], text)
	if _, err := hex.Decode(h[:], digits[:]); err != nil {
		return h, errNoHash
	}
	return h, nil
}

// freshLimit is how many bodies are found in memory before they are sorted into the file. At a
// million bodies, sorting in this many writes about 1 KiB a body; one at a time would write 16.
const freshLimit = 16384

// fresh are the bodies that are in the file but not among its hashes yet. An entry may be out of
// date: its body must be looked at.
type fresh struct {
	mu     sync.RWMutex
	bodies map[prefix]int64
}

func (f *fresh) count() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.bodies)
}

func (f *fresh) find(p prefix) int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.bodies[p]
}

func (f *fresh) add(bodies map[prefix]int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bodies == nil {
		f.bodies = map[prefix]int64{}
	}
	for p, id := range bodies {
		f.bodies[p] = id
	}
}

func (f *fresh) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bodies = nil
}

// known is the id of the body with a hash, 0 when there is none.
func (w *writer) known(h hash) (int64, error) {
	if id := w.bodies[h]; id != 0 {
		return id, nil
	}
	id, err := w.look(h)
	if err == nil && id != 0 {
		w.remember(h, id)
	}
	return id, err
}

// look asks the file. Two bodies with one prefix do not happen; if they did, the second would be kept
// again each time.
func (w *writer) look(h hash) (int64, error) {
	p := h.prefix()
	if w.added[p] != 0 {
		if err := w.newBodies.flush(); err != nil {
			return 0, err
		}
	}
	var row [1]driver.Value
	sorted, err := w.findBody.first(row[:], p[:])
	if err != nil {
		return 0, err
	}
	candidates := [3]int64{w.added[p], w.store.fresh.find(p)}
	if sorted {
		candidates[2] = row[0].(int64)
	}
	for _, id := range candidates {
		if id == 0 {
			continue
		}
		if found, err := w.bodyHash.first(row[:], id, h[:]); err != nil || found {
			return id, err
		}
	}
	return 0, nil
}

func (w *writer) remember(h hash, id int64) {
	if len(w.bodies) >= knownLimit {
		clear(w.bodies)
	}
	w.bodies[h] = id
}

// sortHashes puts the fresh bodies into their order in the file.
func (w *writer) sortHashes() error {
	return w.transactThen(func() error {
		_, err := w.changes("INSERT INTO hashes SELECT substr(hash, 1, 8), id FROM bodies WHERE id > (SELECT hashed FROM totals) ORDER BY 1, 2")
		if err != nil {
			return err
		}
		_, err = w.changes("UPDATE totals SET hashed = max(hashed, ifnull((SELECT max(id) FROM bodies), 0))")
		return err
	}, w.store.fresh.clear)
}

// loadFresh reads at the start what the last run had not sorted yet.
func (w *writer) loadFresh() error {
	rows, err := w.conn.query("SELECT hash, id FROM bodies WHERE id > (SELECT hashed FROM totals)")
	if err != nil {
		return err
	}
	defer rows.Close()
	bodies := map[prefix]int64{}
	for row := make([]driver.Value, 2); ; {
		switch err := rows.Next(row); {
		case errors.Is(err, errDone):
			w.store.fresh.add(bodies)
			return nil
		case err != nil:
			return err
		}
		bodies[prefix(row[0].([]byte))] = row[1].(int64)
	}
}
