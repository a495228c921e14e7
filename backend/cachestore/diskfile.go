package cachestore

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// A file is two slots, the body, the checksums of the body's blocks, and heads. The slot of the higher
// sequence says where the head in force is. An update writes its head where no slot in force points, then
// the other slot: a process killed in between leaves the one before.
const (
	fileMagic = "PXC1"
	slotSize  = 88
	slotPlace = 128 // the second begins there
	bodyPlace = 256
	blockSize = 32 << 10 // of the body, with a checksum each

	largestBody = 1 << 40 // bytes
)

// errDamaged says that a file is not one that was written whole.
var errDamaged = errors.New("a file of the cache is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// slot is what a file says of itself, in 88 bytes.
type slot struct {
	sequence uint32
	purged   bool
	mark     bool
	bodySize int64
	headAt   int64
	headSize uint32
	headSum  uint32
	sumsSum  uint32 // of the checksums of the blocks
	drop     int64
	url      uint64
	tags     tagBits
}

// describe takes over what a slot says of r.
func (s *slot) describe(r *Response) {
	s.purged, s.mark = r.Purged, r.Status == 0
	s.drop = 0
	if !r.Drop.IsZero() {
		s.drop = r.Drop.UnixNano()
	}
	s.url, s.tags = word(r.URL), tagsOf(r.Tags)
}

// sumsSize is how long the checksums of the blocks are.
func (s *slot) sumsSize() int64 { return (s.bodySize + blockSize - 1) / blockSize * 4 }

// bodyEnd is where the checksums end and heads may begin.
func (s *slot) bodyEnd() int64 { return bodyPlace + s.bodySize + s.sumsSize() }

func (s *slot) headEnd() int64 { return s.headAt + int64(s.headSize) }

func (s *slot) entry(h hash) diskEntry {
	return diskEntry{hash: h, tags: s.tags, url: s.url, drop: s.drop, blocks: blocksOf(s.headEnd()), mark: s.mark}
}

func (s *slot) encode() []byte {
	b := make([]byte, 0, slotSize)
	b = append(b, fileMagic...)
	b = binary.LittleEndian.AppendUint32(b, s.sequence)
	var flags uint32
	if s.purged {
		flags |= 1
	}
	if s.mark {
		flags |= 2
	}
	for _, n := range []uint32{flags, s.headSize, s.headSum, s.sumsSum} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	for _, n := range []uint64{uint64(s.bodySize), uint64(s.headAt), uint64(s.drop), s.url, s.tags[0], s.tags[1]} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = b[:slotSize-4] // four bytes to spare
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// decode tells whether b is a slot of a file.
func (s *slot) decode(b []byte) bool {
	if string(b[:4]) != fileMagic || binary.LittleEndian.Uint32(b[slotSize-4:]) != checksum(b[:slotSize-4]) {
		return false
	}
	word := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	long := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	*s = slot{
		sequence: word(4), purged: word(8)&1 != 0, mark: word(8)&2 != 0,
		headSize: word(12), headSum: word(16), sumsSum: word(20),
		bodySize: int64(long(24)), headAt: int64(long(32)), drop: int64(long(40)),
		url: long(48), tags: tagBits{long(56), long(64)},
	}
	return s.bodySize >= 0 && s.bodySize <= largestBody && s.headSize <= maxHead && s.headAt >= s.bodyEnd()
}

// place is where the slot of that sequence stands.
func (s *slot) place() int64 { return int64(s.sequence%2) * slotPlace }

// readSlot is the slot in force.
func readSlot(f io.ReaderAt) (slot, error) {
	var b [slotPlace + slotSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return slot{}, damagedAtEnd(err)
	}
	var a, z slot
	first, second := a.decode(b[:slotSize]), z.decode(b[slotPlace:])
	switch {
	case first && second && int32(z.sequence-a.sequence) > 0, second && !first:
		return z, nil
	case first:
		return a, nil
	}
	return slot{}, errDamaged
}

func damagedAtEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return errDamaged
	}
	return err
}

func readHead(f io.ReaderAt, s slot) (*Response, error) {
	b := make([]byte, s.headSize)
	if _, err := f.ReadAt(b, s.headAt); err != nil && (len(b) > 0 || !errors.Is(err, io.EOF)) {
		return nil, damagedAtEnd(err)
	}
	if checksum(b) != s.headSum {
		return nil, errDamaged
	}
	r, err := parseHead(b)
	if err != nil {
		return nil, errDamaged
	}
	r.Purged = s.purged
	return r, nil
}

func readSums(f io.ReaderAt, s slot) ([]byte, error) {
	b := make([]byte, s.sumsSize())
	if len(b) == 0 {
		return nil, nil
	}
	if _, err := f.ReadAt(b, bodyPlace+s.bodySize); err != nil {
		return nil, damagedAtEnd(err)
	}
	if checksum(b) != s.sumsSum {
		return nil, errDamaged
	}
	return b, nil
}

// verifyBody reads a body to see that it is whole.
func verifyBody(f io.ReaderAt, s slot) error {
	sums, err := readSums(f, s)
	if err != nil {
		return err
	}
	block := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(block)
	for at := int64(0); at < s.bodySize; at += blockSize {
		if err := readBlock(f, block[:min(blockSize, s.bodySize-at)], at, sums); err != nil {
			return err
		}
	}
	return nil
}

// writeUpdate gives the file f, whose slot in force is s, the head of r.
func writeUpdate(f *os.File, s slot, r *Response) (slot, error) {
	head := appendHead(nil, r)
	next := s
	next.sequence++
	next.describe(r)
	next.headSize, next.headSum = uint32(len(head)), checksum(head)
	next.headAt = s.headEnd()
	if s.bodyEnd()+int64(len(head)) <= s.headAt {
		next.headAt = s.bodyEnd()
	}
	if _, err := f.WriteAt(head, next.headAt); err != nil {
		return s, err
	}
	if _, err := f.WriteAt(next.encode(), next.place()); err != nil {
		return s, err
	}
	if next.headEnd() < s.headEnd() {
		return next, f.Truncate(next.headEnd())
	}
	return next, nil
}

// over tells whether the time of the response is over.
func (s *slot) over(now time.Time) bool { return s.drop != 0 && s.drop <= now.UnixNano() }
