package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// saveLarge saves an exchange with a body that went ahead in parts, except its rest.
func saveLarge(t testing.TB, s *Store, seq int64, data []byte) *flow.Record {
	t.Helper()
	sum := sha256.Sum256(data)
	r := exchange(seq)
	r.ResponseBody = flow.Stored{Hash: hex.EncodeToString(sum[:]), Size: int64(len(data)), Kept: int64(len(data))}
	c := Content{Place: s.Reserve()}
	for len(data) >= ChunkSize {
		if err := s.Save(&Batch{Parts: []Part{{Place: c.Place, N: c.Parts, Bytes: data[:ChunkSize]}}}); err != nil {
			t.Fatal(err)
		}
		c.Parts++
		data = data[ChunkSize:]
	}
	c.Rest = data
	save(t, s, Entry{Record: r, Response: c})
	return r
}

func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	_, _ = mathrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b) // never fails
	return b
}

func TestBodiesComeBackFromAnyPlace(t *testing.T) {
	s := open(t)
	for i, data := range [][]byte{
		[]byte("x"),
		noise(1000, 1),
		bytes.Repeat([]byte("all the same "), 9000),
		noise(ChunkSize, 2),
		noise(ChunkSize+1, 3),
		make([]byte, 5*ChunkSize),
		noise(3*ChunkSize+500, 4),
	} {
		r := saveLarge(t, s, int64(i+1), data)
		body, err := s.Body(r.ResponseBody.Hash)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("body %d: %d bytes, %v, want %d", i, len(got), err, len(data))
		}
		seeker := body.(io.ReadSeeker)
		for _, at := range []int{0, 1, len(data) / 2, len(data) - 1, len(data), ChunkSize - 1, ChunkSize, 3 * ChunkSize} {
			if at > len(data) {
				continue
			}
			if n, err := seeker.Seek(int64(at-len(data)), io.SeekEnd); err != nil || n != int64(at) {
				t.Errorf("body %d: seeking to %d gives %d, %v", i, at, n, err)
			}
			part := make([]byte, min(100, len(data)-at))
			if _, err := io.ReadFull(seeker, part); err != nil || !bytes.Equal(part, data[at:at+len(part)]) {
				t.Errorf("body %d: another part at %d, %v", i, at, err)
			}
		}
		if _, err := seeker.Seek(-1, io.SeekStart); err == nil {
			t.Errorf("body %d: seeking before the beginning goes", i)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCompressionHelpsOrIsLeftOut(t *testing.T) {
	s := open(t)
	if c := s.encodeChunk(bytes.Repeat([]byte("abcdefgh"), 4096)); c.coding != zstdChunk || len(c.data) > 1000 {
		t.Errorf("a repetitive chunk is kept with coding %d in %d bytes", c.coding, len(c.data))
	}
	if c := s.encodeChunk(noise(ChunkSize, 1)); c.coding != plainChunk || len(c.data) != ChunkSize {
		t.Errorf("noise is kept with coding %d in %d bytes", c.coding, len(c.data))
	}
	if c := s.encodeChunk(make([]byte, 100)); c.coding != plainChunk {
		t.Error("a small chunk is compressed")
	}
}

func TestABodyIsKeptOnceAndGoesWithItsLastExchange(t *testing.T) {
	s := open(t)
	data := noise(2*ChunkSize+10, 9)
	r := saveLarge(t, s, 1, data)
	saveLarge(t, s, 2, data)
	if err := s.writer.sortHashes(); err != nil {
		t.Fatal(err)
	}
	saveLarge(t, s, 3, data)
	count := func() [3]int64 {
		return [3]int64{s.tell(t, "SELECT count(*) FROM bodies"), s.tell(t, "SELECT count(*) FROM chunks"), s.tell(t, "SELECT count(*) FROM drafts")}
	}
	if got := count(); got != [3]int64{1, 3, 0} {
		t.Errorf("bodies, chunks, drafts: %v, want one body in three chunks", got)
	}
	purge := func(seqs ...int64) {
		t.Helper()
		if _, _, err := s.Remove(Selection{Seqs: seqs}); err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	purge(1, 3)
	if _, err := s.Body(r.ResponseBody.Hash); err != nil {
		t.Errorf("a body that one exchange still has: %v", err)
	}
	purge(2)
	if got := count(); got != [3]int64{} {
		t.Errorf("bodies, chunks, drafts behind the last exchange: %v", got)
	}
	if n := s.tell(t, "SELECT count(*) FROM hashes"); n != 0 {
		t.Errorf("%d hashes are left", n)
	}
	saveLarge(t, s, 4, data)
	if body, err := s.Body(r.ResponseBody.Hash); err != nil {
		t.Error(err)
	} else if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, data) {
		t.Errorf("kept again it has %d bytes, %v", len(got), err)
	}
}

func TestABodyThatIsDeletedWhileItIsReadSaysSo(t *testing.T) {
	s := open(t)
	r := saveLarge(t, s, 1, noise(3*ChunkSize, 1))
	body, err := s.Body(r.ResponseBody.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Remove(Selection{All: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(body); problem.KindOf(err) != problem.NotFound {
		t.Errorf("reading on: %v", err)
	}
}

func TestPartsWithoutTheirEndGoAtTheNextStart(t *testing.T) {
	s := open(t)
	data := noise(2*ChunkSize, 1)
	place := s.Reserve()
	if err := s.Save(&Batch{Parts: []Part{{place, 0, data[:ChunkSize]}, {place, 1, data[ChunkSize:]}}}); err != nil {
		t.Fatal(err)
	}
	whole := saveLarge(t, s, 1, noise(2*ChunkSize+5, 2))
	s = reopen(t, s)
	if n := s.tell(t, "SELECT count(*) FROM chunks"); n != 3 {
		t.Errorf("%d chunks are left, want those of the whole body", n)
	}
	if _, err := s.Body(whole.ResponseBody.Hash); err != nil {
		t.Error(err)
	}
	if next := s.Reserve(); next <= place {
		t.Errorf("place %d is given again", next)
	}
}

func TestHashesAreSortedWhenThereAreMany(t *testing.T) {
	s := open(t)
	hashes := []string{}
	batch := &Batch{}
	for seq := int64(1); seq <= freshLimit+1; seq++ {
		e := withBody(Entry{Record: &flow.Record{Seq: seq}}, []byte{byte(seq), byte(seq >> 8), byte(seq >> 16)})
		hashes = append(hashes, e.Record.ResponseBody.Hash)
		batch.Entries = append(batch.Entries, e)
	}
	if err := s.Save(batch); err != nil {
		t.Fatal(err)
	}
	if n := s.tell(t, "SELECT count(*) FROM hashes"); n != freshLimit+1 || s.fresh.count() != 0 {
		t.Errorf("%d are sorted, %d are not", n, s.fresh.count())
	}
	save(t, s, withBody(Entry{Record: exchange(freshLimit + 2)}, []byte("a fresh one")), withBody(Entry{Record: exchange(freshLimit + 3)}, []byte{5, 0, 0}))
	if n := s.tell(t, "SELECT count(*) FROM bodies"); n != freshLimit+2 {
		t.Errorf("%d bodies: the sorted one was not found", n)
	}
	s = reopen(t, s)
	save(t, s, withBody(Entry{Record: exchange(freshLimit + 4)}, []byte("a fresh one")))
	if n := s.tell(t, "SELECT count(*) FROM bodies"); n != freshLimit+2 {
		t.Errorf("%d bodies: the fresh one was forgotten by a restart", n)
	}
	for _, hash := range []string{hashes[0], hashes[freshLimit]} {
		if _, err := s.Body(hash); err != nil {
			t.Error(err)
		}
	}
}
