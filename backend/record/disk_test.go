package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/store"
)

// disk is a store that does what a test wants.
type disk struct {
	save  func(*store.Batch) error
	last  atomic.Int64
	saved atomic.Int64
}

func (d *disk) Save(b *store.Batch) error {
	if err := d.save(b); err != nil {
		return err
	}
	d.saved.Add(int64(len(b.Entries)))
	return nil
}

func (d *disk) Reserve() int64 { return d.last.Add(1) }

func (d *disk) Retain(context.Context, store.Limits) (dropped int64, err error) { return 0, nil }

func onDisk(d *disk, next flow.Handler) *Recorder {
	s := settings()
	s.BodyCap = 1 << 30
	r := newRecorder(next, d, s, nil)
	r.start()
	return r
}

func shut(t *testing.T, r *Recorder) {
	t.Helper()
	if err := r.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestTrafficWaitsForASlowDiskAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		d := &disk{save: func(*store.Batch) error { <-gate; return nil }}
		r := onDisk(d, answering(func() io.Reader { return &zeros{1 << 20} }))
		passed := 0
		var all sync.WaitGroup
		all.Go(func() {
			for range 64 { // MiB, twice what may wait
				if _, err := serve(r, request(nil)); err != nil {
					t.Error(err)
				}
				passed++
			}
		})
		synctest.Wait()
		if waiting := r.queued(); waiting < queueBytes || waiting > queueBytes+2*store.ChunkSize || passed > 32 {
			t.Errorf("%d exchanges passed, %d bytes wait: the bound is %d", passed, waiting, queueBytes)
		}
		close(gate)
		all.Wait()
		shut(t, r)
		if passed != 64 || d.saved.Load() != 64 || r.Stats().Lost != 0 {
			t.Errorf("%d passed, %d saved, %d lost", passed, d.saved.Load(), r.Stats().Lost)
		}
	})
}

func (r *Recorder) queued() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queue.bytes
}

func TestAFailingDiskNeverStopsTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := problem.New(problem.Unavailable, "Saving: the disk is full. Make room.")
		var failing atomic.Bool
		failing.Store(true)
		d := &disk{save: func(*store.Batch) error {
			if failing.Load() {
				return full
			}
			return nil
		}}
		r := onDisk(d, answering(func() io.Reader { return &zeros{1 << 20} }))
		for i := range 64 {
			if _, err := serve(r, request(nil)); err != nil {
				t.Error(err)
			}
			if i == 0 {
				time.Sleep(time.Second) // for the first attempt
				if w := r.Stats().Warning; w != full {
					t.Errorf("the warning is %v", w)
				}
				if r.Stats().Lost != 0 {
					t.Error("an exchange was lost while there was room to wait")
				}
			}
		}
		lost := r.Stats().Lost
		if waiting := r.queued(); lost < 30 || lost > 34 || waiting > queueBytes+2*store.ChunkSize {
			t.Errorf("%d lost, %d bytes wait", lost, waiting)
		}
		failing.Store(false)
		time.Sleep(2 * retryMost)
		if s := r.Stats(); s.Warning != nil || s.Lost != lost || r.LiveCount() != 0 {
			t.Errorf("mended: %+v, %d live", s, r.LiveCount())
		}
		if _, err := serve(r, request(nil)); err != nil {
			t.Error(err)
		}
		shut(t, r)
		whole := d.saved.Load()
		if whole+lost < 65 || whole+lost > 66 { // one may have been kept without the end of its body
			t.Errorf("%d saved and %d lost of 65", whole, lost)
		}
	})
}

// An outage is one line when it begins and one when it ends, however often is tried meanwhile.
func TestAnOutageIsLoggedOnceAndItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		d := &disk{save: func(*store.Batch) error {
			if failing.Load() {
				return problem.New(problem.Unavailable, "Saving: the disk is full. Make room.")
			}
			return nil
		}}
		var log strings.Builder // read while nobody writes
		r := newRecorder(answering(func() io.Reader { return &zeros{1 << 20} }), d, settings(), slog.New(slog.NewTextHandler(&log, nil)))
		r.start()
		ask := func(times int) {
			for range times {
				if _, err := serve(r, request(nil)); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(4 * retryMost)
		}
		ask(2)
		for range 2 {
			log.Reset()
			failing.Store(true)
			before := r.Stats().Lost
			ask(64)
			synctest.Wait()
			if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "the disk is full") {
				t.Errorf("at its beginning is told\n%s", got)
			}
			log.Reset()
			failing.Store(false)
			ask(2)
			synctest.Wait()
			lost := r.Stats().Lost - before
			if got := log.String(); lost == 0 || strings.Count(got, "\n") != 1 || !strings.Contains(got, fmt.Sprintf("\"lost meanwhile\"=%d\n", lost)) {
				t.Errorf("%d were lost, and at its end is told\n%s", lost, got)
			}
		}
		shut(t, r)
	})
}

func TestWhatTheStoreCannotTakeIsLostAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{save: func(b *store.Batch) error {
			for _, e := range b.Entries {
				if e.Record.Seq == 3 {
					return problem.New(problem.Internal, "Saving: a fault.")
				}
			}
			for _, p := range b.Parts {
				if p.Place == 5 && p.N == 1 {
					return problem.New(problem.Internal, "Saving: a fault.")
				}
			}
			for _, e := range b.Entries {
				if e.Response.Place == 5 || e.Record.Seq == 5 && e.Record.ResponseBody.Kept != 0 {
					return errors.New("the body without its second part")
				}
			}
			return nil
		}}
		r := onDisk(d, answering(func() io.Reader { return &zeros{3 * store.ChunkSize} }))
		for range 6 {
			if _, err := serve(r, request(nil)); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Second)
		if s := r.Stats(); d.saved.Load() != 5 || s.Lost != 2 || r.LiveCount() != 0 {
			t.Errorf("%d saved, %+v, %d live: want #3 lost, #5 without its body", d.saved.Load(), s, r.LiveCount())
		}
		shut(t, r)
	})
}

func TestCloseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{save: func(*store.Batch) error { return problem.New(problem.Unavailable, "Saving: the disk is full.") }}
		r := onDisk(d, saying("ok"))
		if _, err := serve(r, request(nil)); err != nil {
			t.Error(err)
		}
		open := r.Handle(request(nil))
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		err := r.Close(ctx)
		if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "2 could not be kept") {
			t.Errorf("Close: %v", err)
		}
		_ = open.Body.Close()
		if s := r.Stats(); s.Lost != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{save: func(*store.Batch) error { return nil }}
		wait := time.Millisecond
		r := onDisk(d, flow.HandlerFunc(func(*flow.Exchange) *flow.Response {
			time.Sleep(wait)
			return flow.NewResponse(200, "", nil)
		}))
		if s := r.Stats(); s.Rate != 0 || s.P99 != -1 || !s.Recording {
			t.Errorf("without traffic: %+v", s)
		}
		for i := range 1000 {
			if wait = time.Millisecond; i >= 980 {
				wait = 100 * time.Millisecond
			}
			if _, err := serve(r, request(nil)); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Second)
		if s := r.Stats(); s.Rate != 200 || s.P99 < 100 || s.P99 > 113 {
			t.Errorf("a thousand within 5 s, 2 %% of them slow: %+v", s)
		}
		time.Sleep(5 * time.Second)
		if s := r.Stats(); s.Rate != 0 || s.P99 < 100 {
			t.Errorf("6 s later: %+v", s)
		}
		time.Sleep(70 * time.Second)
		if s := r.Stats(); s.P99 != -1 {
			t.Errorf("a minute later: %+v", s)
		}
		shut(t, r)
	})
}

func TestADurationFallsIntoABucketThatIsRightWithinAnEighth(t *testing.T) {
	for _, micros := range []int64{0, 1, 7, 8, 9, 15, 16, 17, 100, 999, 1000, 123456, 1 << 40, math.MaxInt64 / 1000} {
		top := bucketTop(bucketOf(time.Duration(micros) * time.Microsecond))
		if top < float64(micros) || top > float64(micros)*9/8+1 {
			t.Errorf("%d µs falls into a bucket up to %v", micros, top)
		}
	}
}
