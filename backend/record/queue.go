package record

import (
	"context"
	"sync"
	"time"

	"proxycache/backend/problem"
	"proxycache/backend/store"
)

const (
	queueBytes = 32 << 20 // wait for the writer at most; then traffic waits

	batchWait  = 50 * time.Millisecond // for a batch to fill
	batchItems = 256                   // do not wait longer
	batchBytes = 2 << 20
	batchMost  = 1024 // in one transaction

	retryFirst = 100 * time.Millisecond
	retryMost  = 2 * time.Second
)

// item is what waits for the writer: a part of a body, or an exchange that is over.
type item struct {
	part              store.Part
	owner             *watch // whose body the part is of
	watch             *watch // nil for a part
	request, response content
	bytes             int64 // its weight, once it is in the queue
}

// weight is about how much memory an item holds.
func (i *item) weight() int64 {
	if i.watch == nil {
		return int64(len(i.part.Bytes))
	}
	r := &i.watch.record
	n := 2048 + len(r.RequestHead) + len(r.ResponseHead) + cap(i.request.Rest) + cap(i.response.Rest) + 256*len(r.Trail)
	for s := range r.Trail {
		n += len(r.Trail[s].Sent) + len(r.Trail[s].Came)
	}
	return int64(n)
}

// queue is guarded by the recorder's mu.
type queue struct {
	items   []item
	spare   []item // room for the next ones
	bytes   int64  // of items and of the batch that is being saved
	failing bool   // the last attempt to save failed
	outage  outage // what was told of such attempts
	ending  bool   // nothing comes any more
	space   sync.Cond
	some    chan struct{} // an item is there
	full    chan struct{} // there is enough for a batch
}

// outage is a time in which nothing can be saved. It is told at its beginning and at its end.
type outage struct {
	told bool
	lost int64 // exchanges, before it
}

func (q *queue) init(mu *sync.Mutex) {
	q.space.L = mu
	q.some, q.full = make(chan struct{}, 1), make(chan struct{}, 1)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (q *queue) end() {
	q.ending = true
	signal(q.some)
	signal(q.full)
}

// enqueue hands an item to the writer. It waits while there is no room, except behind a disk that
// fails: then the item is lost, and the answer false. mu is held, and given away while it waits.
func (r *Recorder) enqueue(i item) bool {
	q := &r.queue
	if i.watch != nil {
		defer r.markQueued(i.watch)
	}
	for q.bytes >= queueBytes && !q.failing && !q.ending {
		q.space.Wait()
	}
	if q.bytes >= queueBytes || q.ending {
		r.lose(i)
		return false
	}
	i.bytes = i.weight()
	q.bytes += i.bytes
	q.items = append(q.items, i)
	if len(q.items) == 1 {
		signal(q.some)
	}
	if len(q.items) >= batchItems || q.bytes >= batchBytes {
		signal(q.full)
	}
	return true
}

func (r *Recorder) enqueuePart(i item) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.enqueue(i)
}

// markQueued tells Close that the exchange is on its way.
func (r *Recorder) markQueued(w *watch) {
	w.queued = true
	if r.closed {
		r.queue.space.Broadcast()
	}
}

// lose gives an item up: an exchange, or of one the rest of a body. mu is held.
func (r *Recorder) lose(i item) {
	w := i.owner
	if i.watch != nil {
		w = i.watch
		r.settle(w)
	}
	if !w.lost {
		w.lost = true
		r.stats.lost++
	}
}

// settle ends the life of an exchange here. mu is held.
func (r *Recorder) settle(w *watch) {
	delete(r.live, w.seq)
	delete(r.broken, w.up.place)
	delete(r.broken, w.down.place)
	w.final = true
	r.changed.add(w)
}

// write is the one writer. It returns when the queue has ended and is empty, or ctx is over.
func (r *Recorder) write(ctx context.Context) {
	for {
		batch, ok := r.take()
		if !ok {
			return
		}
		r.save(ctx, batch)
		r.reuse(batch)
	}
}

// take waits for a batch.
func (r *Recorder) take() ([]item, bool) {
	<-r.queue.some
	wait := time.NewTimer(batchWait)
	select {
	case <-wait.C:
	case <-r.queue.full:
		wait.Stop()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	q := &r.queue
	n := min(len(q.items), batchMost)
	batch := q.items[:n:n]
	q.items = q.items[n:]
	if len(q.items) > 0 || q.ending {
		signal(q.some)
		signal(q.full)
	} else {
		q.items, q.spare = q.spare, nil
	}
	return batch, n > 0 || !q.ending
}

// save keeps a batch, however often it must be tried, until ctx ends.
func (r *Recorder) save(ctx context.Context, batch []item) {
	r.seal(batch)
	r.mend(batch)
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := r.keep.Save(batchOf(batch))
		if err == nil {
			r.saved(batch)
			return
		}
		r.failed(err)
		if kind := problem.KindOf(err); kind != problem.Unavailable && kind != problem.Conflict {
			r.saveEach(batch)
			return
		}
		r.tellOutage(err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			r.giveUp(batch)
			return
		}
	}
}

// saveEach keeps all but what the store cannot take.
func (r *Recorder) saveEach(batch []item) {
	for i := range batch {
		one := batch[i : i+1]
		r.mend(one)
		if err := r.keep.Save(batchOf(one)); err != nil {
			r.log.Error("an exchange could not be kept", "error", err)
			r.giveUp(one)
			continue
		}
		r.saved(one)
	}
}

// seal completes the records of a batch with what is known of their bodies.
func (r *Recorder) seal(batch []item) {
	sums := make([][2]string, len(batch))
	for i := range batch {
		if batch[i].watch != nil {
			sums[i] = [2]string{batch[i].request.sum(), batch[i].response.sum()}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, sum := range sums {
		b := &batch[i]
		if b.watch == nil {
			continue
		}
		q, p := &b.watch.record.RequestBody, &b.watch.record.ResponseBody
		q.Hash, q.Size, q.Kept = sum[0], b.request.size, b.request.kept
		p.Hash, p.Size, p.Kept = sum[1], b.response.size, b.response.kept
	}
}

// mend takes from the records of a batch the bodies of which a part was lost.
func (r *Recorder) mend(batch []item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range batch {
		b := &batch[i]
		if b.watch == nil {
			continue
		}
		if r.broken[b.request.Place] {
			b.request.Content = store.Content{}
			b.watch.record.RequestBody.Hash, b.watch.record.RequestBody.Kept = "", 0
		}
		if r.broken[b.response.Place] {
			b.response.Content = store.Content{}
			b.watch.record.ResponseBody.Hash, b.watch.record.ResponseBody.Kept = "", 0
		}
	}
}

func batchOf(items []item) *store.Batch {
	b := &store.Batch{Entries: make([]store.Entry, 0, len(items))}
	for i := range items {
		if w := items[i].watch; w != nil {
			b.Entries = append(b.Entries, store.Entry{Record: &w.record, Request: items[i].request.Content, Response: items[i].response.Content})
		} else {
			b.Parts = append(b.Parts, items[i].part)
		}
	}
	return b
}

// tellOutage logs that saving fails, at the first attempt that does.
func (r *Recorder) tellOutage(err error) {
	r.mu.Lock()
	o := &r.queue.outage
	news := !o.told
	if news {
		*o = outage{told: true, lost: r.stats.lost}
	}
	r.mu.Unlock()
	if news {
		r.log.Error("exchanges cannot be saved just now; they wait, and are lost when there is no room to", "error", err)
	}
}

// tellRecovery logs that saving works again after an outage.
func (r *Recorder) tellRecovery() {
	r.mu.Lock()
	o := r.queue.outage
	r.queue.outage = outage{}
	lost := r.stats.lost - o.lost
	r.mu.Unlock()
	if o.told {
		r.log.Warn("exchanges are saved again", "lost meanwhile", lost)
	}
}

// saved lets go of what is in the store now.
func (r *Recorder) saved(batch []item) {
	r.tellRecovery()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue.failing, r.stats.warning = false, nil
	for i := range batch {
		if w := batch[i].watch; w != nil {
			r.settle(w)
		}
	}
	r.release(batch)
}

// failed tells that saving fails, so that nothing waits for room that may not come.
func (r *Recorder) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue.failing, r.stats.warning = true, problem.Of(err)
	r.queue.space.Broadcast()
}

func (r *Recorder) giveUp(batch []item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range batch {
		if batch[i].watch == nil {
			r.broken[batch[i].part.Place] = true
		}
		r.lose(batch[i])
	}
	r.release(batch)
}

// release makes the room of a batch free. mu is held.
func (r *Recorder) release(batch []item) {
	for i := range batch {
		r.queue.bytes -= batch[i].bytes
	}
	r.queue.space.Broadcast()
	clear(batch)
}

// reuse keeps the room of a batch that is over, unless it is a part of more: after a burst.
func (r *Recorder) reuse(batch []item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(batch) < batchMost {
		r.queue.spare = batch[:0]
	}
}
