// Package record watches exchanges as they pass and keeps them.
//
// It stands in front of the pipeline as a flow.Handler: it takes the heads, tees the bodies while they
// stream, and hands each exchange, when it is over, to one writer, which saves batches. What waits for
// the writer is bounded in bytes: where the disk cannot keep up, traffic slows down. Only a disk that
// fails makes it give up exchanges, and those are counted.
package record

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
	"proxycache/backend/store"
)

// Settings is the [capture] section of the configuration.
type Settings struct {
	BodyCap      schema.Size     `toml:"body_cap" title:"Kept of each body" help:"How many bytes of each request and response body are kept; what is longer is passed on whole and kept up to here" default:"10MiB" min:"0" max:"1GiB"`
	MaxExchanges int64           `toml:"max_exchanges" title:"Exchanges kept" help:"When there are more, the oldest go; 0 for no limit" default:"1000000" min:"0"`
	MaxAge       schema.Duration `toml:"max_age" title:"Kept for" help:"Exchanges that began longer ago go; 0 for no limit" default:"0s" min:"0s"`
	MaxSize      schema.Size     `toml:"max_size" title:"Size of the capture" help:"When the database holds more bytes, the oldest exchanges go; 0 for no limit" default:"8GiB" min:"0"`
}

// Options are what a recorder needs of its surroundings.
type Options struct {
	Next     flow.Handler // answers the exchanges
	Store    *store.Store
	Settings Settings
	Log      *slog.Logger
}

// keeper is what the recorder wants of the store.
type keeper interface {
	Save(*store.Batch) error
	Reserve() int64
	Retain(context.Context, store.Limits) (dropped int64, err error)
}

// Recorder is a flow.Handler. Its methods may be called at any time by any goroutine.
type Recorder struct {
	next     flow.Handler
	keep     keeper
	log      *slog.Logger
	settings atomic.Pointer[Settings]
	off      atomic.Bool
	seq      atomic.Int64

	mu      sync.Mutex // held for moments only: never while something is read, written or saved
	live    map[int64]*watch
	changed changes
	stats   stats
	queue   queue
	broken  map[int64]bool // places of bodies of which a part was lost
	closed  bool

	writing sync.WaitGroup
	abandon context.CancelFunc // ends the writer's attempts
}

// New starts a recorder; its numbers go on where the store's ended.
func New(o Options) (*Recorder, error) {
	r := newRecorder(o.Next, o.Store, o.Settings, o.Log)
	r.seq.Store(o.Store.LastSeq())
	r.start()
	return r, nil
}

func newRecorder(next flow.Handler, keep keeper, s Settings, log *slog.Logger) *Recorder {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Recorder{next: next, keep: keep, log: log, live: map[int64]*watch{}, broken: map[int64]bool{}}
	r.settings.Store(&s)
	r.queue.init(&r.mu)
	return r
}

func (r *Recorder) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.abandon = cancel
	r.writing.Go(func() { r.write(ctx) })
}

// Configure puts settings in force: the cap for exchanges that begin from now on, the limits at the
// next Retain.
func (r *Recorder) Configure(s Settings) { r.settings.Store(&s) }

// SetRecording turns recording on or off. Exchanges that have begun are recorded to their end.
func (r *Recorder) SetRecording(on bool) { r.off.Store(!on) }

// Number gives x its number if it has none.
func (r *Recorder) Number(x *flow.Exchange) {
	if x.Seq == 0 {
		x.Seq = r.seq.Add(1)
	}
}

// Handle answers x and records it. The record is complete when the response's Body is closed, or
// Upgraded where there is one.
func (r *Recorder) Handle(x *flow.Exchange) *flow.Response {
	if r.off.Load() {
		return r.next.Handle(x)
	}
	w := r.begin(x)
	if w == nil {
		return r.next.Handle(x)
	}
	answered := false
	defer func() {
		if !answered { // the pipeline panics: whoever catches it shall find the exchange recorded
			w.crash()
		}
	}()
	response := r.next.Handle(x)
	answered = true
	w.answer(response)
	return response
}

// TurnedAway records x, which was answered with sent before it came to anybody behind: sent.RawHead is the head
// as the client was sent it.
func (r *Recorder) TurnedAway(x *flow.Exchange, sent *flow.Response) {
	if r.off.Load() {
		return
	}
	w := r.begin(x)
	if w == nil {
		return
	}
	w.answer(sent)
	w.Begins(sent.Proto, sent.RawHead)
	_, _ = io.Copy(io.Discard, sent.Body) // it is in memory
	_ = sent.Body.Close()
}

// begin watches x from now on; nil after Close.
func (r *Recorder) begin(x *flow.Exchange) *watch {
	r.Number(x)
	w := newWatch(r, x)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.live[x.Seq] = w
	r.stats.begun(x.Started)
	r.changed.add(w)
	if w.request.Body != flow.NoBody {
		w.request.Body = &w.up
	}
	return w
}

// Live are the exchanges that are not in the store yet, ascending by Seq. Their State is Pending:
// until one is saved its bodies cannot be read.
func (r *Recorder) Live() []flow.Row {
	r.mu.Lock()
	rows := make([]flow.Row, 0, len(r.live))
	for _, w := range r.live {
		rows = append(rows, w.row())
	}
	r.mu.Unlock()
	slices.SortFunc(rows, func(a, b flow.Row) int { return int(a.Seq - b.Seq) })
	return rows
}

// LiveCount is how many Live would give.
func (r *Recorder) LiveCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.live)
}

// Lookup finds an exchange that Live tells of. The record is a snapshot, the caller's to keep.
func (r *Recorder) Lookup(seq int64) (*flow.Record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.live[seq]
	if !ok {
		return nil, false
	}
	return w.snapshot(), true
}

// Drain gives the rows of exchanges that began or changed since the last call, oldest change first,
// at most n. More says that there are others: either the next call gives them, or so many changed
// that the list itself must be read.
func (r *Recorder) Drain(n int) (rows []flow.Row, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed.take(n)
}

// Retain deletes from the store what the settings no longer allow.
func (r *Recorder) Retain(ctx context.Context) (dropped int64, err error) {
	s := r.settings.Load()
	return r.keep.Retain(ctx, store.Limits{Exchanges: s.MaxExchanges, Age: time.Duration(s.MaxAge), Size: int64(s.MaxSize)})
}

// Close saves what there is, running exchanges as aborted. What could not be saved when ctx ends is
// lost, and the error says how many.
func (r *Recorder) Close(ctx context.Context) error {
	open, lost := r.shut()
	stop := context.AfterFunc(ctx, r.giveIn)
	defer stop()
	for _, w := range open {
		w.abort()
	}
	r.endQueue(open)
	r.writing.Wait()
	r.abandon()
	if lost = r.Stats().Lost - lost; lost > 0 {
		return problem.Wrap(problem.Unavailable, ctx.Err(), "Saving the last exchanges: %d could not be kept. Make room on the disk of the data folder.", lost)
	}
	return nil
}

// shut lets no exchange in any more; open are those that run, oldest first.
func (r *Recorder) shut() (open []*watch, lost int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, w := range r.live {
		open = append(open, w)
	}
	slices.SortFunc(open, func(a, b *watch) int { return int(a.seq - b.seq) })
	return open, r.stats.lost
}

// giveIn ends the writer's attempts and lets nobody wait for it.
func (r *Recorder) giveIn() {
	r.abandon()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue.failing = true
	r.queue.space.Broadcast()
}

// endQueue ends the queue behind the last of the exchanges that were open: pipelines may be handing
// some of them in just now.
func (r *Recorder) endQueue(open []*watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range open {
		for !w.queued {
			r.queue.space.Wait()
		}
	}
	r.queue.end()
}

var _ flow.Handler = (*Recorder)(nil)
