package cachestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// blocks are buffers of a block each.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// checkedWhole is up to which size a body that this process did not write is checked before it is served.
const checkedWhole = 1 << 20

// open reads the head of h's file and opens its body. The object is nil where the file is another key's.
func (d *disk) open(h hash, key string, verified bool) (*Object, slot, error) {
	l := d.lock(h)
	l.RLock() // an update may write over a head that is not in force any more
	defer l.RUnlock()
	f, err := openRead(d.path(h))
	if err != nil {
		return nil, slot{}, err
	}
	s, err := readSlot(f)
	if err != nil {
		return nil, s, errors.Join(err, f.Close())
	}
	r, err := readHead(f, s)
	if err != nil || r.Key != key {
		return nil, s, errors.Join(err, f.Close())
	}
	body, err := d.openBody(f, h, s, verified)
	if err != nil {
		return nil, s, errors.Join(err, f.Close())
	}
	return &Object{Response: r, Body: body}, s, nil
}

// openBody takes over f. A body of one block is read at once.
func (d *disk) openBody(f *os.File, h hash, s slot, verified bool) (Body, error) {
	sums, err := readSums(f, s)
	if err != nil {
		return nil, err
	}
	if s.bodySize <= blockSize {
		b := make([]byte, s.bodySize)
		if err := readBlock(f, b, 0, sums); err != nil {
			return nil, err
		}
		_ = f.Close() // nothing was written through it
		return bytesBody{bytes.NewReader(b)}, nil
	}
	if !verified && s.bodySize <= checkedWhole {
		if err := verifyBody(f, s); err != nil {
			return nil, err
		}
	}
	return &fileBody{store: d, hash: h, file: f, size: s.bodySize, sums: sums, held: -1}, nil
}

// readBlock reads the block of a body that begins at from into b, which is as long as it is.
func readBlock(f io.ReaderAt, b []byte, from int64, sums []byte) error {
	if len(b) == 0 {
		return nil
	}
	if n, err := f.ReadAt(b, bodyPlace+from); n < len(b) {
		return damagedAtEnd(err)
	}
	if checksum(b) != binary.LittleEndian.Uint32(sums[from/blockSize*4:]) {
		return errDamaged
	}
	return nil
}

// bytesBody is a body in memory.
type bytesBody struct{ *bytes.Reader }

func (bytesBody) Close() error { return nil }

// fileBody is a body in a file, of which no byte is given away before its block was checked. It can be
// read to its end after the file lost its name.
type fileBody struct {
	store *disk
	hash  hash
	file  *os.File
	size  int64
	sums  []byte

	mu   sync.Mutex
	last *[blockSize]byte // the block that was read in part last
	held int64            // where that begins, -1 for none
}

func (b *fileBody) Size() int64 { return b.size }

func (b *fileBody) ReadAt(p []byte, from int64) (n int, err error) {
	if from < 0 {
		return 0, fmt.Errorf("reading a stored body: there is nothing %d bytes before its beginning", -from)
	}
	for n < len(p) && from < b.size {
		begin := from / blockSize * blockSize
		length := min(blockSize, b.size-begin)
		read := 0
		if from == begin && int64(len(p)-n) >= length {
			read, err = int(length), readBlock(b.file, p[n:n+int(length)], begin, b.sums)
		} else {
			read, err = b.part(p[n:], from, begin, length)
		}
		if errors.Is(err, errDamaged) {
			b.store.failed.Add(1)
			b.store.mend(b.hash)
		}
		if err != nil {
			return n, err
		}
		n, from = n+read, from+int64(read)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// part copies from within a block, and holds it for the next one who wants a part of it.
func (b *fileBody) part(p []byte, from, begin, length int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = blocks.Get().(*[blockSize]byte)
	}
	if b.held != begin {
		b.held = -1
		if err := readBlock(b.file, b.last[:length], begin, b.sums); err != nil {
			return 0, err
		}
		b.held = begin
	}
	return copy(p, b.last[from-begin:length]), nil
}

func (b *fileBody) Close() error {
	b.mu.Lock()
	if b.last != nil {
		blocks.Put(b.last)
		b.last, b.held = nil, -1
	}
	b.mu.Unlock()
	if err := b.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
