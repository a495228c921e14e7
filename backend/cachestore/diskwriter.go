package cachestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// diskWriter writes a file on its way in.
type diskWriter struct {
	store    *disk
	response *Response
	file     *os.File
	block    *[blockSize]byte
	filled   int
	size     int64
	sums     []byte
	reserved int64
	err      error // what ended it
}

// reservation is how much room a body whose size is not known takes at a time.
const reservation = 256 << 10

func (d *disk) Put(r *Response, size int64) (Writer, error) {
	w := &diskWriter{store: d, response: r}
	if !w.reserve(bodyPlace + max(size, 0)) {
		return nil, nil
	}
	f, err := os.CreateTemp(filepath.Join(d.dir, incoming), "")
	if err != nil {
		w.giveBack()
		d.failed.Add(1)
		return nil, fmt.Errorf("storing a response in the cache's folder %s: %w", d.dir, err)
	}
	w.file, w.block = f, blocks.Get().(*[blockSize]byte)
	return w, nil
}

// reserve makes room for the file to be bytes long; false where there is none.
func (w *diskWriter) reserve(bytes int64) bool {
	more := int64(blocksOf(bytes))*diskBlock - w.reserved
	if more <= 0 {
		return true
	}
	d := w.store
	d.mu.Lock()
	walked := d.done()
	if d.closed || d.writing+more > d.capacity/2 || !walked && d.early+more > d.capacity/16 {
		d.mu.Unlock()
		return false
	}
	d.writing += more
	if !walked {
		d.early += more
	}
	w.reserved += more
	d.mu.Unlock()
	if walked {
		d.shrink()
	}
	return true
}

func (w *diskWriter) giveBack() {
	w.store.mu.Lock()
	w.store.writing -= w.reserved
	w.store.mu.Unlock()
	w.reserved = 0
}

// shrink lets files go until the others fit. No lock of a file is held.
func (d *disk) shrink() {
	for {
		d.mu.Lock()
		if d.index.bytes+d.writing <= d.room() {
			d.mu.Unlock()
			return
		}
		h, ok := d.index.victim(time.Now())
		d.mu.Unlock()
		if !ok {
			return
		}
		l := d.lock(h)
		l.Lock()
		d.remove(h)
		l.Unlock()
		d.evicted.Add(1)
	}
}

func (w *diskWriter) Write(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	if need := bodyPlace + w.size + int64(len(p)); need > w.reserved && !w.reserve(need+reservation) && !w.reserve(need) {
		w.err = errNoRoom
		return 0, w.err
	}
	for n < len(p) {
		k := 0
		if w.filled == 0 && len(p)-n >= blockSize {
			k = blockSize
			w.flush(p[n : n+k])
		} else {
			k = copy(w.block[w.filled:], p[n:])
			if w.filled += k; w.filled == blockSize {
				w.flush(w.block[:])
			}
		}
		if w.err != nil {
			return n, w.err
		}
		n += k
		w.size += int64(k)
	}
	return n, nil
}

// flush writes one block, the one after those before.
func (w *diskWriter) flush(block []byte) {
	at := bodyPlace + int64(len(w.sums)/4)*blockSize
	if _, err := w.file.WriteAt(block, at); err != nil {
		w.store.failed.Add(1)
		w.err = fmt.Errorf("storing a response in the cache's folder %s: %w", w.store.dir, err)
		return
	}
	w.sums = binary.LittleEndian.AppendUint32(w.sums, checksum(block))
	w.filled = 0
}

// finish writes what comes after the body, and then the slot, which makes it a file of the cache.
func (w *diskWriter) finish(r *Response) (s slot) {
	if w.filled > 0 {
		w.flush(w.block[:w.filled])
	}
	head := appendHead(nil, r)
	s = slot{bodySize: w.size, headSize: uint32(len(head)), headSum: checksum(head), sumsSum: checksum(w.sums)}
	s.sequence = uint32(time.Now().UnixNano()) &^ 1 // another than that of the file before
	s.describe(r)
	s.headAt = s.bodyEnd()
	if w.err == nil && (len(head) > maxHead || !w.reserve(s.headEnd())) {
		w.err = errNoRoom
	}
	write := func(b []byte, at int64) {
		if w.err == nil {
			_, w.err = w.file.WriteAt(b, at)
		}
	}
	write(w.sums, s.headAt-int64(len(w.sums)))
	write(head, s.headAt)
	write(s.encode(), s.place())
	if w.err == nil && w.size > checkedWhole {
		w.err = w.file.Sync()
	}
	return s
}

func (w *diskWriter) Commit(r *Response) error {
	if r == nil {
		r = w.response
	}
	if w.file == nil || w.store.shut() {
		w.Abort()
		return errClosed
	}
	s := w.finish(r)
	if w.err != nil {
		err := w.err
		w.Abort()
		return err
	}
	h, name := hashOf(r.Key), w.file.Name()
	err := w.file.Close()
	if err == nil && !s.over(time.Now()) {
		err = w.take(name, h, s)
	} else {
		removeFile(name)
		if err == nil {
			err = w.store.Delete(r.Key)
		}
	}
	w.end()
	w.store.shrink()
	return err
}

// take brings the file name into the place of h.
func (w *diskWriter) take(name string, h hash, s slot) error {
	d := w.store
	l := d.lock(h)
	l.Lock()
	defer l.Unlock()
	path := d.path(h)
	err := replaceFile(name, path)
	if errors.Is(err, fs.ErrNotExist) { // the first one in its folder
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = replaceFile(name, path)
		}
	}
	if err != nil {
		removeFile(name)
		d.failed.Add(1)
		return fmt.Errorf("storing a response in the cache's folder %s: %w", d.dir, err)
	}
	e := s.entry(h)
	e.verified = true
	d.mu.Lock()
	d.index.put(e)
	d.writing -= w.reserved
	w.reserved = 0
	d.mu.Unlock()
	return nil
}

func (w *diskWriter) Abort() {
	if w.file == nil {
		return
	}
	_ = w.file.Close() // it is thrown away
	removeFile(w.file.Name())
	w.end()
}

func (w *diskWriter) end() {
	w.giveBack()
	blocks.Put(w.block)
	w.block, w.file = nil, nil
	w.err = errClosed
}
