package store

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// Limits say how much is kept; the oldest go first. Zero is no limit.
type Limits struct {
	Exchanges int64
	Age       time.Duration
	Size      int64 // bytes of the file that hold something
}

// Retain deletes what the limits no longer allow and tells how many exchanges went from the list. It
// works in small steps, between which others write; ctx ends it early.
func (s *Store) Retain(ctx context.Context, l Limits) (dropped int64, err error) {
	const doing = "Keeping the capture within its limits"
	for {
		if err := ctx.Err(); err != nil {
			return dropped, err
		}
		var gone, listed int64
		err := s.writer.transact(func() error {
			seqs, err := s.writer.surplus(l)
			if err != nil {
				return err
			}
			gone = int64(len(seqs))
			listed, err = s.writer.delete(seqs)
			return err
		})
		if err != nil {
			return dropped, s.fault(doing, err)
		}
		s.total.Add(-listed)
		dropped += listed
		if gone == 0 {
			return dropped, s.fault(doing, s.writer.shrink(ctx))
		}
	}
}

// surplus are the oldest exchanges that one step deletes.
func (w *writer) surplus(l Limits) ([]int64, error) {
	kept, err := w.number("SELECT exchanges FROM totals")
	if err != nil {
		return nil, err
	}
	if l.Size > 0 {
		size, err := w.number("SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size")
		if err != nil {
			return nil, err
		}
		if size > l.Size {
			return w.column("SELECT seq FROM exchanges ORDER BY seq LIMIT ?", half(kept, size, size-l.Size))
		}
	}
	if l.Exchanges > 0 && kept > l.Exchanges {
		return w.column("SELECT seq FROM exchanges ORDER BY seq LIMIT ?", min(stepRows, kept-l.Exchanges))
	}
	if l.Age > 0 {
		return w.column("SELECT seq FROM (SELECT seq, started FROM exchanges ORDER BY seq LIMIT ?) WHERE started < ?", int64(stepRows), time.Now().Add(-l.Age).UnixNano())
	}
	return nil, nil
}

// half is how many of rows that weigh size together have about half of surplus, for one step: the oldest may
// be heavier than the others, and none is to go in vain.
func half(rows, size, surplus int64) int64 {
	part := float64(surplus) / float64(size) / 2
	return min(stepRows, max(1, int64(part*float64(rows))))
}

const (
	shrinkFrom = 256 // free pages below which the file keeps its size
	shrinkStep = 128 // pages given back in one transaction
)

// shrink gives space back to the disk when a good part of the file is empty. What little is free is
// kept for what comes.
func (w *writer) shrink(ctx context.Context) error {
	for ctx.Err() == nil {
		more, err := w.shrinkOnce()
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (w *writer) shrinkOnce() (more bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	free, err := w.number("PRAGMA freelist_count")
	if err != nil {
		return false, err
	}
	pages, err := w.number("PRAGMA page_count")
	if err != nil || free < shrinkFrom || free < pages/4 {
		return false, err
	}
	return true, w.vacuum(shrinkStep)
}

// vacuum gives pages back. The pragma answers with an empty row for each, and works only while it is
// asked for the next.
func (w *writer) vacuum(pages int) error {
	rows, err := w.conn.query("PRAGMA incremental_vacuum(" + strconv.Itoa(pages) + ")")
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		switch err := rows.Next(nil); {
		case errors.Is(err, errDone):
			return nil
		case err != nil:
			return err
		}
	}
}
