package store

import (
	"fmt"
	"io"
	"strings"

	"proxycache/backend/flow"
)

// errDone is how the driver tells that there is no further row.
var errDone = io.EOF

const (
	// ChunkSize is how many bytes of a body are kept together: what must be read to open a body
	// anywhere, and what a running exchange holds in memory of each of its bodies.
	ChunkSize = 64 << 10

	chunkWindow = ChunkSize // of the compression
	chunksABody = 1 << 20   // so a kept body has at most 64 GiB
	worthCoding = 4 << 10   // shorter chunks are kept as they are
	usualRest   = 512       // about what appendRest makes of an exchange
)

// Batch is what one transaction keeps.
type Batch struct {
	Parts   []Part // in the order in which they passed
	Entries []Entry
}

// Part is one full chunk of a body whose end is not known yet.
type Part struct {
	Place int64  // of the body, from Reserve
	N     int64  // how many came before it
	Bytes []byte // ChunkSize of them
}

// Entry is an exchange that is over. The hashes and sizes in Record say what Request and Response hold.
type Entry struct {
	Record            *flow.Record
	Request, Response Content
}

// Content is the kept bytes of a body: all of them in Rest, or those that follow its parts.
type Content struct {
	Place int64 // from Reserve, when parts went ahead; else 0
	Parts int64
	Rest  []byte // at most ChunkSize
}

// Reserve gives a body its place before its end is known, so that its parts can go ahead. Parts whose
// entry never comes are dropped at the next Open.
func (s *Store) Reserve() int64 { return s.lastPlace.Add(1) }

// Save keeps a batch: all of it, or nothing and an error. The same batch may be tried again.
func (s *Store) Save(b *Batch) error {
	work := s.encode(b)
	err := s.writer.transact(func() error { return s.writer.save(b, work) })
	if err != nil {
		return s.fault(fmt.Sprintf("Saving %d exchanges", len(b.Entries)), err)
	}
	s.total.Add(int64(len(b.Entries)))
	if s.fresh.count() >= freshLimit {
		_ = s.writer.sortHashes() // tried again behind the next batch; until then they are found in memory
	}
	return nil
}

// encoded is what is made of a batch before the transaction begins.
type encoded struct {
	parts []chunk
	rests [][]byte
	heads [][2]chunk // the last or only chunk of each entry's bodies
}

// chunk is as it stands in the file.
type chunk struct {
	coding int64
	data   []byte
}

const (
	plainChunk = 0
	zstdChunk  = 1
)

func (s *Store) encode(b *Batch) encoded {
	e := encoded{parts: make([]chunk, len(b.Parts)), rests: make([][]byte, len(b.Entries)), heads: make([][2]chunk, len(b.Entries))}
	for i, p := range b.Parts {
		e.parts[i] = s.encodeChunk(p.Bytes)
	}
	room := make([]byte, 0, usualRest*len(b.Entries)) // one piece of memory for many small fields
	for i, entry := range b.Entries {
		start := len(room)
		room = appendRest(room, entry.Record)
		e.rests[i] = room[start:len(room):len(room)]
		e.heads[i] = [2]chunk{s.encodeChunk(entry.Request.Rest), s.encodeChunk(entry.Response.Rest)}
	}
	return e
}

// encodeChunk compresses where that saves an eighth or more.
func (s *Store) encodeChunk(data []byte) chunk {
	if len(data) < worthCoding {
		return chunk{plainChunk, data}
	}
	small := s.encoder.EncodeAll(data, make([]byte, 0, len(data)/2))
	if len(small) > len(data)-len(data)/8 {
		return chunk{plainChunk, data}
	}
	return chunk{zstdChunk, small}
}

func (w *writer) save(b *Batch, e encoded) error {
	for i, p := range b.Parts {
		if p.N == 0 {
			if err := w.insertDraft.run(p.Place); err != nil {
				return err
			}
		}
		if err := w.saveChunk(p.Place*chunksABody+p.N, e.parts[i]); err != nil {
			return err
		}
	}
	for i := range b.Entries {
		if err := w.saveEntry(&b.Entries[i], e.rests[i], e.heads[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) saveEntry(e *Entry, rest []byte, last [2]chunk) error {
	r := e.Record
	request, err := w.saveBody(r.RequestBody, e.Request, last[0])
	if err != nil {
		return err
	}
	response, err := w.saveBody(r.ResponseBody, e.Response, last[1])
	if err != nil {
		return err
	}
	if err := w.saveCertificates(r); err != nil {
		return err
	}
	if err := w.saveDetail(r, request, response, rest); err != nil {
		return err
	}
	if err := w.saveRow(r); err != nil {
		return err
	}
	w.rows++
	w.last = max(w.last, r.Seq)
	return nil
}

// saveDetail takes 0 for a body of which nothing was kept.
func (w *writer) saveDetail(r *flow.Record, request, response int64, rest []byte) error {
	row := w.details.next()
	row.int(0, r.Seq)
	for i, body := range [...]int64{request, response} {
		if row.int(1+i, body); body == 0 {
			row.null(1 + i)
		}
	}
	for i, b := range [...][]byte{r.RequestHead, r.ResponseHead, rest} {
		row.bytes(3+i, b)
	}
	return w.details.done()
}

const (
	mockedFlag = 1
	oddFlag    = 2
)

func (w *writer) saveRow(r *flow.Record) error {
	row := flow.RowOf(r)
	var flags int64
	if row.Mocked {
		flags |= mockedFlag
	}
	name, _ := flow.SplitAuthority(r.Authority)
	host := strings.ToLower(name)
	for _, text := range [...]string{row.Method, row.Scheme, row.Authority, row.Target, row.Type, string(row.Door), string(row.State), row.Route, r.Client} {
		if odd(text) {
			flags |= oddFlag
			break
		}
	}
	to := w.exchanges.next()
	for i, n := range [...]int64{r.Seq, r.Started.UnixNano(), r.Timing.Done.Microseconds(), int64(row.Status), row.RequestSize, row.ResponseSize, row.ReplayOf, flags} {
		to.int(i, n)
	}
	for i, text := range [...]string{row.Method, row.Scheme, row.Authority, host, row.Target, row.Type, string(row.Door), string(row.State), row.Route, r.Client, row.Cells} {
		to.text(8+i, text)
	}
	if host == r.Authority {
		to.null(11)
	}
	return w.exchanges.done()
}

// odd tells that SQLite's own functions may not see a text as Go does.
func odd(text string) bool {
	for i := range len(text) {
		if text[i]-1 >= 0x7f { // NUL wraps around
			return true
		}
	}
	return false
}

// saveBody returns the id of the body in the file, 0 when none was kept.
func (w *writer) saveBody(b flow.Stored, c Content, last chunk) (int64, error) {
	if b.Kept == 0 {
		return 0, nil
	}
	h, err := parseHash(b.Hash)
	if err != nil {
		return 0, err
	}
	id, err := w.known(h)
	if err != nil {
		return 0, err
	}
	if id != 0 {
		w.refs[id]++
		return id, w.dropDraft(c)
	}
	id = w.store.Reserve() // ids ascend in the order of the transactions, which sortHashes needs
	place := c.Place
	if place == 0 {
		place = id
	}
	if len(c.Rest) > 0 {
		if err := w.saveChunk(place*chunksABody+c.Parts, last); err != nil {
			return 0, err
		}
	}
	if c.Parts > 0 {
		if err := w.deleteDraft.run(place); err != nil {
			return 0, err
		}
	}
	w.added[h.prefix()] = id
	w.remember(h, id)
	row := w.newBodies.next()
	row.int(0, id)
	row.int(1, place)
	row.bytes(2, h[:])
	row.int(3, b.Kept)
	row.int(4, 1) // the first that refers to it
	return id, w.newBodies.done()
}

func (w *writer) saveChunk(id int64, c chunk) error {
	row := w.chunks.next()
	row.int(0, id)
	row.int(1, c.coding)
	row.bytes(2, c.data)
	return w.chunks.done()
}

// dropDraft deletes the parts of a body that is here already.
func (w *writer) dropDraft(c Content) error {
	if c.Parts == 0 {
		return nil
	}
	if err := w.chunks.flush(); err != nil {
		return err
	}
	if err := w.deleteChunks.run(c.Place*chunksABody, (c.Place+1)*chunksABody); err != nil {
		return err
	}
	return w.deleteDraft.run(c.Place)
}

func (w *writer) saveCertificates(r *flow.Record) error {
	for _, t := range [2]*flow.TLS{r.ClientConn.TLS, r.TargetConn.TLS} {
		if t == nil {
			continue
		}
		for _, c := range t.Chain {
			hash := fingerprintOf(c)
			if w.certificates[hash] {
				continue
			}
			if err := w.insertCertificate.run(hash[:], c.Raw); err != nil {
				return err
			}
			if len(w.certificates) >= knownLimit {
				clear(w.certificates)
			}
			w.certificates[hash] = true
		}
	}
	return nil
}

// dropDrafts deletes the parts that an earlier run left without their end.
func (w *writer) dropDrafts() error {
	for {
		place, err := w.number("SELECT place FROM drafts LIMIT 1")
		if err != nil {
			return w.store.fault("Clearing what the last run left half written", err)
		}
		if place == 0 {
			return nil
		}
		if err := w.transact(func() error { return w.dropDraft(Content{Place: place, Parts: 1}) }); err != nil {
			return w.store.fault("Clearing what the last run left half written", err)
		}
	}
}
