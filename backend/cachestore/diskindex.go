package cachestore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// hash names a key: the first half of its SHA-256. Should two keys ever share one, the key in the head
// tells them apart.
type hash [16]byte

func hashOf(key string) hash {
	sum := sha256.Sum256([]byte(key))
	return hash(sum[:16])
}

func (h hash) String() string { return hex.EncodeToString(h[:]) }

// word is a short hash that the next process makes of the same text too.
func word(s string) uint64 {
	h := hashOf(s)
	return binary.LittleEndian.Uint64(h[:])
}

// tagBits are three bits of 128 for each tag: which entries may have one is seen without their heads.
type tagBits [2]uint64

func tagsOf(tags []string) (b tagBits) {
	for _, tag := range tags {
		w := word(tag)
		for range 3 {
			b[w>>6&1] |= 1 << (w & 63)
			w >>= 7
		}
	}
	return b
}

func (b tagBits) has(all tagBits) bool { return b[0]&all[0] == all[0] && b[1]&all[1] == all[1] }

// diskEntry is what is known of a file without opening it: 64 bytes, and about 40 to find it by.
type diskEntry struct {
	hash     hash
	tags     tagBits
	url      uint64
	drop     int64  // nanoseconds since 1970; 0 for never
	blocks   uint32 // of 4 KiB, which it takes
	mark     bool
	asked    uint8 // how often since it was put, to three; the hand takes one away
	verified bool  // written by this process, or its body was checked
}

const diskBlock = 4 << 10

func blocksOf(bytes int64) uint32 { return uint32((bytes + diskBlock - 1) / diskBlock) }

// diskIndex are the files that there are. Who is evicted is found by a hand that goes round, as of a clock:
// it passes who was asked for, up to three times, and so comes near to the least used lately.
type diskIndex struct {
	at    map[hash]uint32
	all   []diskEntry
	bytes int64
	hand  int
}

// get is the entry of h, or nil. It is good until the index changes.
func (x *diskIndex) get(h hash) *diskEntry {
	i, ok := x.at[h]
	if !ok {
		return nil
	}
	return &x.all[i]
}

func (x *diskIndex) put(e diskEntry) {
	if old := x.get(e.hash); old != nil {
		x.bytes -= int64(old.blocks) * diskBlock
		*old = e
	} else {
		x.at[e.hash] = uint32(len(x.all))
		x.all = append(x.all, e)
	}
	x.bytes += int64(e.blocks) * diskBlock
}

func (x *diskIndex) remove(h hash) {
	i, ok := x.at[h]
	if !ok {
		return
	}
	x.bytes -= int64(x.all[i].blocks) * diskBlock
	last := len(x.all) - 1
	if int(i) != last {
		x.all[i] = x.all[last]
		x.at[x.all[i].hash] = i
	}
	x.all = x.all[:last]
	delete(x.at, h)
}

// victim is who has to leave; false where there is nobody.
func (x *diskIndex) victim(now time.Time) (hash, bool) {
	if len(x.all) == 0 {
		return hash{}, false
	}
	for {
		if x.hand >= len(x.all)-1 { // the last is the newest
			x.hand = 0
		}
		e := &x.all[x.hand]
		x.hand++ // who is put into the place of this one, the newest, has a whole round
		if e.asked == 0 || e.drop != 0 && e.drop <= now.UnixNano() {
			return e.hash, true
		}
		e.asked--
	}
}

// parseHash is the hash that String made name of.
func parseHash(name string) (h hash, ok bool) {
	if len(name) != 2*len(h) {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(name))
	return h, err == nil && name == h.String()
}
