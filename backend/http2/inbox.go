package http2

import "sync"

// inbox holds what came of a body and was not read yet, in pieces of a pool: never more than a window.
type inbox struct {
	first, last *piece
	size        int
}

type piece struct {
	next     *piece
	from, to int
	b        [8<<10 - 32]byte
}

var pieces = sync.Pool{New: func() any { return new(piece) }}

func (in *inbox) write(p []byte) {
	in.size += len(p)
	for len(p) > 0 {
		if in.last == nil || in.last.to == len(in.last.b) {
			in.add()
		}
		n := copy(in.last.b[in.last.to:], p)
		in.last.to += n
		p = p[n:]
	}
}

func (in *inbox) add() {
	p, _ := pieces.Get().(*piece)
	p.next, p.from, p.to = nil, 0, 0
	if in.last == nil {
		in.first = p
	} else {
		in.last.next = p
	}
	in.last = p
}

func (in *inbox) read(to []byte) (n int) {
	for n < len(to) && in.size > 0 {
		p := in.first
		some := copy(to[n:], p.b[p.from:p.to])
		p.from += some
		n += some
		in.size -= some
		if p.from == p.to {
			in.drop()
		}
	}
	return n
}

// drop gives the first piece back.
func (in *inbox) drop() {
	p := in.first
	if in.first = p.next; in.first == nil {
		in.last = nil
	}
	pieces.Put(p)
}

// discard empties it, and says of how much.
func (in *inbox) discard() (n int) {
	for in.first != nil {
		in.drop()
	}
	n, in.size = in.size, 0
	return n
}
