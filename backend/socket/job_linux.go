package socket

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// job is a read or a write that the poller makes for who waits for it, together with those of others. One side
// of a connection has one, for one after another.
type job struct {
	fd    int
	sends bool
	reply *job          // of a write: the read of the same connection
	state atomic.Int32  // free to back
	made  chan struct{} // holds one when it was made or given back

	p     []byte
	n     int
	err   error
	heard uint64    // how often the poller had begun to listen when it was made
	at    time.Time // when it was made

	asks   bool // a write: it is sent only to a peer that has not spoken
	listed bool // the poller's: it is one of those that are sent next
	spoken bool // the poller's: the peer has spoken meanwhile
}

// States of a job.
const (
	free    = iota
	held    // by who is about to wait
	lent    // a read: it is made when there is something to read
	quietly // a write with its reply lent: who waits is told only where it does not leave whole
	taken   // it is being made, and who waits is told
	made
	back // it was not made: something else has happened
)

// longest is how much a job moves at most. Of more, the call into the system is the smaller part, and who moves
// it had better do it itself, on a processor of its own.
const longest = 16 << 10

// ringful is how many jobs are made for one call. With more, little is saved, and the first waits for the last.
const ringful = 32

// begin takes the job for p. It is false where somebody else has it, or the poller should not make it.
func (j *job) begin(p []byte) bool {
	if len(p) == 0 || len(p) > longest || !j.state.CompareAndSwap(free, held) {
		return false
	}
	j.p = p
	return true
}

// end frees the job, and is what came of it; ok is false where it was not made.
func (j *job) end() (n int, err error, ok bool) {
	if ok = j.state.Load() == made; ok {
		n, err = j.n, j.err
	}
	j.p, j.n, j.err, j.asks = nil, 0, nil, false
	j.state.Store(free)
	return n, err, ok
}

// take has the poller make a read that was lent.
func (j *job) take() bool { return j.state.CompareAndSwap(lent, taken) }

// giveBack wakes who has lent a read.
func (j *job) giveBack() {
	if j.state.CompareAndSwap(lent, back) {
		j.made <- struct{}{}
	}
}

// make makes it alone.
func (j *job) make() {
	if j.sends {
		j.n, j.err = send(j.fd, j.p)
	} else {
		j.n, j.err = receive(j.fd, j.p)
	}
}

// tell wakes who waits for it.
func (j *job) tell() {
	if whole := j.err == nil && j.n == len(j.p); j.state.Swap(made) == taken {
		j.made <- struct{}{}
	} else if !whole {
		j.reply.giveBack()
	}
}

// unlist ends the time in which what its peer says keeps a question from being sent, and tells that it did.
func (j *job) unlist() (spoken bool) {
	spoken, j.listed, j.spoken = j.spoken, false, false
	if spoken {
		j.n, j.err = 0, errSpoken
		j.tell()
	}
	return spoken
}

// result is what the system says of a job made in a ring.
func (j *job) result(r int32) {
	switch {
	case r >= 0:
		j.n, j.err = int(r), nil
	case r == -int32(syscall.EAGAIN):
		j.n, j.err = 0, syscall.EAGAIN // an error value made once
	default:
		switch e := syscall.Errno(-r); e {
		case syscall.EINTR, syscall.EINVAL, syscall.ECANCELED, syscall.EOPNOTSUPP: // of the ring, not of the socket
			j.make()
		default:
			j.n, j.err = 0, e
		}
	}
}

// desk is where writes are left while the poller has woken several and will come by when they have had their turn.
type desk struct {
	open atomic.Bool
	mu   sync.Mutex
	jobs []*job
}

// leave is false where the desk is closed: who comes then makes its job itself.
func (d *desk) leave(j *job) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open.Load() {
		return false
	}
	d.jobs = append(d.jobs, j)
	return true
}

// clear closes the desk, and adds what was left there to jobs and, where it asks, to questions.
func (d *desk) clear(questions, jobs []*job) (q, rest []*job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open.Store(false)
	for _, j := range d.jobs {
		if j.asks {
			questions = append(questions, j)
		} else {
			jobs = append(jobs, j)
		}
	}
	clear(d.jobs)
	d.jobs = d.jobs[:0]
	return questions, jobs
}
