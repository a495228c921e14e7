package cachestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// errClosed answers who comes after Close.
var errClosed = errors.New("the cache's store is closed")

// disk keeps responses in the files of one folder, one a response, named by the hash of its key. A file
// comes into its place whole, by a rename, so that a process killed at any moment leaves whole ones. What
// a loss of power leaves is found by checksums: small bodies are not synced to the disk but checked before
// they are served; larger ones, which are checked only while they are read, are synced.
type disk struct {
	dir      string
	capacity int64
	locks    [64]sync.RWMutex // of a file, by the first byte of its hash; taken before mu

	mu      sync.Mutex
	index   diskIndex
	writing int64 // bytes of files on their way in
	early   int64 // bytes put before the walk ended
	closed  bool

	walked  chan struct{} // closed when all files are in the index
	evicted atomic.Int64
	failed  atomic.Int64
}

// incoming is the folder of the files that are being written.
const incoming = "incoming"

// OpenDisk is a store of at most capacity bytes of files in dir, which it makes and should not be shared.
// What is there from before is served at once, and taken into the index in the background; until that is
// done, only a sixteenth of the capacity can be stored anew and Purge waits. In memory a response takes
// about 110 bytes.
func OpenDisk(dir string, capacity int64) (Store, error) {
	// What was being written when the process before ended is not there for anybody.
	if err := os.RemoveAll(filepath.Join(dir, incoming)); err != nil {
		return nil, fmt.Errorf("opening the cache's folder %s: what was left unfinished in it cannot be removed: %w; give this user the right to write there", dir, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, incoming), 0o700); err != nil {
		return nil, fmt.Errorf("opening the cache's folder %s: it cannot be made: %w; name another folder, or give this user the right to write there", dir, err)
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the cache's folder %s: it cannot be read: %w; give this user the right to read it", dir, err)
	}
	d := &disk{dir: dir, capacity: capacity, index: diskIndex{at: map[hash]uint32{}}, walked: make(chan struct{})}
	if len(folders) == 1 { // incoming alone
		close(d.walked)
	} else {
		go d.walk(folders)
	}
	return d, nil
}

func (d *disk) lock(h hash) *sync.RWMutex { return &d.locks[h[0]%64] }

// room is what files may take together. A sixteenth is left for what comes while the walk has not ended.
func (d *disk) room() int64 { return d.capacity - d.capacity/16 }

// path is where the file of h is: two levels of folders, 4096 in all.
func (d *disk) path(h hash) string {
	name := h.String()
	return filepath.Join(d.dir, name[:2], name[2:3], name)
}

func (d *disk) done() bool {
	select {
	case <-d.walked:
		return true
	default:
		return false
	}
}

// shut tells whether the store was closed.
func (d *disk) shut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

func (d *disk) Get(key string) (*Object, error) {
	h := hashOf(key)
	walked := d.done() // asked before the index is, for a file that is found in between
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, errClosed
	}
	e := d.index.get(h)
	known, verified := e != nil, e != nil && e.verified
	if known {
		e.asked = min(e.asked+1, 3)
	}
	d.mu.Unlock()
	if !known && walked {
		return nil, nil
	}

	o, s, err := d.open(h, key, verified)
	if o == nil {
		return nil, d.missing(h, known, err)
	}
	if dropped(o.Response, time.Now()) {
		_ = o.Body.Close() // it was read only
		d.drop(h, s.sequence)
		return nil, nil
	}
	if !verified {
		d.adopt(h, s)
	}
	return o, nil
}

// missing deals with the file of h that could not be read: what is damaged, or was taken away behind our
// back, is no failure for who asked.
func (d *disk) missing(h hash, known bool, err error) error {
	switch {
	case errors.Is(err, errDamaged):
		d.failed.Add(1)
		d.mend(h)
	case errors.Is(err, fs.ErrNotExist):
		if known {
			d.mend(h)
		}
	case err != nil:
		d.failed.Add(1)
		return fmt.Errorf("reading from the cache's folder %s: %w", d.dir, err)
	}
	return nil
}

// adopt takes a file that was read and found whole into the index.
func (d *disk) adopt(h hash, s slot) {
	l := d.lock(h)
	l.RLock()
	defer l.RUnlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.index.get(h); e != nil {
		e.verified = true
		return
	}
	if d.closed || d.done() { // it was let go meanwhile
		return
	}
	if _, err := os.Lstat(d.path(h)); err == nil {
		e := s.entry(h)
		e.verified, e.asked = true, 1
		d.index.put(e)
	}
}

// mend removes the file of h unless it is whole: another may have been put since it was found damaged.
func (d *disk) mend(h hash) {
	l := d.lock(h)
	l.Lock()
	defer l.Unlock()
	f, err := openRead(d.path(h))
	if err == nil {
		s, err := readSlot(f)
		if err == nil {
			_, err = readHead(f, s)
		}
		if err == nil {
			err = verifyBody(f, s)
		}
		_ = f.Close()
		if err == nil {
			return
		}
	}
	d.remove(h)
}

// drop removes the file of h where it is still the one of that sequence.
func (d *disk) drop(h hash, sequence uint32) {
	l := d.lock(h)
	l.Lock()
	defer l.Unlock()
	if f, err := openRead(d.path(h)); err == nil {
		s, err := readSlot(f)
		_ = f.Close()
		if err == nil && s.sequence != sequence {
			return
		}
	}
	d.remove(h)
}

// remove takes h from the index and its file from the folder. The lock of h is held for writing.
func (d *disk) remove(h hash) {
	d.mu.Lock()
	d.index.remove(h)
	d.mu.Unlock()
	removeFile(d.path(h))
}

func (d *disk) Delete(key string) error {
	h := hashOf(key)
	l := d.lock(h)
	l.Lock()
	defer l.Unlock()
	d.remove(h)
	return nil
}

// Resize changes the capacity. While the walk goes on, what is too much leaves at its end.
func (d *disk) Resize(capacity int64) {
	d.mu.Lock()
	d.capacity = capacity
	d.mu.Unlock()
	if d.done() {
		d.shrink()
	}
}

func (d *disk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Stats{Entries: int64(len(d.index.all)), Bytes: d.index.bytes + d.writing, Capacity: d.capacity, Evicted: d.evicted.Load(), Failed: d.failed.Load()}
}

// Close ends the store. The files stay, and who reads one goes on.
func (d *disk) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	<-d.walked
	return nil
}

// removeFile removes a file, or empties it where another program has it open and keeps it: an empty one
// is not served, and is removed by the next walk.
func removeFile(path string) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = os.Truncate(path, 0)
	}
}
