package cachestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Update removes the response where the time of r is over: rewrite does.
func (d *disk) Update(r, was *Response) error {
	h := hashOf(r.Key)
	err := d.rewrite(h, func(f *os.File, s slot) (slot, error) {
		old, err := readHead(f, s)
		if err != nil || !old.same(was) {
			return s, err
		}
		return writeUpdate(f, s, r)
	})
	d.shrink()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("updating a response in the cache's folder %s: %w", d.dir, err)
	}
	return nil
}

// rewrite lets change write another slot into the file of h, and takes that into the index. A file that is
// damaged, or that failed while it was changed, is removed.
func (d *disk) rewrite(h hash, change func(*os.File, slot) (slot, error)) error {
	l := d.lock(h)
	l.Lock()
	defer l.Unlock()
	f, err := openUpdate(d.path(h))
	if err != nil {
		return err
	}
	s, err := readSlot(f)
	if err == nil && !s.over(time.Now()) {
		s, err = change(f, s)
	}
	err = errors.Join(err, f.Close())
	if err != nil || s.over(time.Now()) {
		d.remove(h)
		if errors.Is(err, errDamaged) {
			d.failed.Add(1)
			return nil
		}
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.index.get(h); old != nil {
		e := s.entry(h)
		e.asked, e.verified = old.asked, old.verified
		d.index.put(e)
	}
	return nil
}

// Purge reads the head of each file that can be meant: by URL and tag few, by prefix and expression all.
func (d *disk) Purge(s Selection, soft bool) (n int, err error) {
	<-d.walked
	if d.shut() {
		return 0, errClosed
	}
	url, tags := word(s.URL), tagsOf([]string{s.Tag})
	maybe := func(e *diskEntry) bool {
		return (s.URL == "" || e.url == url) && (s.Tag == "" || e.tags.has(tags))
	}
	for at := int(^uint(0) >> 1); at > 0; {
		var some []hash
		some, at = d.some(at, maybe)
		for _, h := range some {
			one, fault := d.purge(h, s, soft)
			if n += one; fault != nil && !errors.Is(fault, fs.ErrNotExist) {
				d.failed.Add(1)
				err = fmt.Errorf("purging in the cache's folder %s: %w", d.dir, fault)
			}
		}
	}
	return n, err
}

// some are the next entries before at that can be meant, and where to go on. What is removed meanwhile puts
// the last entry, which was looked at, into the gap.
func (d *disk) some(at int, maybe func(*diskEntry) bool) (some []hash, until int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at = min(at, len(d.index.all))
	until = max(0, at-step)
	for i := range slices.Backward(d.index.all[until:at]) {
		if e := &d.index.all[until+i]; maybe(e) {
			some = append(some, e.hash)
		}
	}
	return some, until
}

// purge purges the file of h where s selects it, and tells how many responses that were.
func (d *disk) purge(h hash, s Selection, soft bool) (n int, err error) {
	var gone *uint32 // the sequence of what is to go
	err = d.rewrite(h, func(f *os.File, was slot) (slot, error) {
		r, err := readHead(f, was)
		if err != nil || !s.matches(r) {
			return was, err
		}
		if !soft {
			gone = &was.sequence
		}
		if !was.mark {
			n = 1
		}
		if !soft || was.mark || was.purged {
			return was, nil
		}
		next := was
		next.sequence++
		next.purged = true
		_, err = f.WriteAt(next.encode(), next.place())
		return next, err
	})
	if gone != nil {
		d.drop(h, *gone)
	}
	return n, err
}

// walk takes the files that were there before into the index, and removes those that are damaged or over.
func (d *disk) walk(folders []fs.DirEntry) {
	defer close(d.walked)
	for _, folder := range folders {
		if !folder.IsDir() || len(folder.Name()) != 2 {
			continue
		}
		leaves, _ := os.ReadDir(filepath.Join(d.dir, folder.Name())) // what cannot be read is not served either
		for _, leaf := range leaves {
			files, _ := os.ReadDir(filepath.Join(d.dir, folder.Name(), leaf.Name()))
			for _, file := range files {
				if d.shut() {
					return
				}
				d.find(file.Name())
			}
		}
	}
	d.shrink()
}

// find takes one file into the index.
func (d *disk) find(name string) {
	h, ok := parseHash(name)
	if !ok {
		return
	}
	l := d.lock(h)
	l.Lock()
	defer l.Unlock()
	d.mu.Lock()
	known := d.index.get(h) != nil
	d.mu.Unlock()
	if known {
		return
	}
	f, err := openRead(d.path(h))
	if err != nil {
		return
	}
	s, err := readSlot(f)
	info, fault := f.Stat()
	_ = f.Close()
	switch {
	case errors.Is(err, errDamaged), err == nil && fault == nil && info.Size() < s.headEnd():
		d.failed.Add(1)
		d.remove(h)
	case err == nil && s.over(time.Now()):
		d.remove(h)
	case err == nil:
		d.mu.Lock()
		d.index.put(s.entry(h))
		d.mu.Unlock()
	}
}
