package socket

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller hears from the system what becomes of sockets, and wakes who waits for them. It sleeps in the
// runtime's own poller, for which it is one file among others: no thread waits for it.
//
// There is one, so that what happened first is told first: whoever was woken by a request knows of all that
// came on other connections before it. Many processors need not be waited for: to tell of an event takes less
// than a microsecond. Small reads and writes it makes for those who wait, many at once; where there are too
// many, on other processors, too.
type poller struct {
	epoll   int
	raw     syscall.RawConn
	events  [256]syscall.EpollEvent
	conns   table
	numbers atomic.Uint32 // of conns, one after another

	rings     chan *ring  // at rest; nil where the system has none
	broken    atomic.Bool // a ring did not do what it should
	desk      desk
	questions []*job // of this round: writes that ask
	jobs      []*job // of this round: all others
	woken     int    // in this round, who has no job
	slow      bool   // those who were woken last kept the processors long

	listens atomic.Uint64 // how often it has begun to listen
	told    atomic.Uint64 // the last of these times of which it has passed all on
}

// thePoller is opened with the first socket; nil where the system has none to give.
var thePoller = sync.OnceValue(func() *poller {
	p, err := openPoller()
	if err != nil {
		return nil
	}
	go p.run()
	return p
})

func openPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	_ = unix.SetNonblock(fd, true) // by this the runtime sees that it can wait for it
	file := os.NewFile(uintptr(fd), "epoll")
	if err := file.SetReadDeadline(time.Time{}); err != nil { // where the runtime cannot wait for it
		_ = file.Close()
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	p := &poller{epoll: fd, raw: raw}
	if r := openRing(); r != nil {
		p.rings = make(chan *ring, runtime.GOMAXPROCS(0))
		p.rings <- r
	}
	return p, nil
}

func (p *poller) run() {
	// One wait that never ends: what the runtime has been told between two looks is forgotten only where a wait begins.
	_ = p.raw.Read(func(fd uintptr) (done bool) {
		for round := 1; p.listen(fd, round < inARow); round++ {
		}
		return false
	})
}

// inARow is how many rounds are made, at most, before the runtime looks for what it waits for itself: new connections.
const inARow = 8

// listen passes on what there is to hear, and makes jobs. It is to be called again at once where it is true; it
// may ask for that where there is much to do and more is true.
func (p *poller) listen(fd uintptr, more bool) (again bool) {
	p.questions, p.jobs = p.desk.clear(p.questions[:0], p.jobs[:0])
	for _, j := range p.questions {
		j.listed = true
	}
	p.woken = 0
	round := p.listens.Add(1)
	for n := len(p.events); n == len(p.events); {
		n = p.hear(fd)
		for i := range p.events[:n] {
			p.tell(&p.events[i])
		}
	}
	p.told.Store(round)
	p.questions = slices.DeleteFunc(p.questions, (*job).unlist)
	woken := p.woken + len(p.questions) + len(p.jobs)
	again = more && woken > 1 && !p.slow && p.makes()
	p.desk.open.Store(again)
	p.makeAll()
	if woken > 0 {
		// Who was woken goes first: to look again before they have done something is to look in vain. Where
		// others keep the processors, nobody should wait for this turn: the desk stays closed.
		since := time.Now()
		runtime.Gosched()
		p.slow = time.Since(since) > longTurn
	}
	return again
}

// longTurn is more than those who were woken need for themselves.
const longTurn = time.Millisecond

// makes tells that jobs are made together.
func (p *poller) makes() bool { return p.rings != nil && !p.broken.Load() }

// hear is how much there is to hear; it does not wait for more.
func (p *poller) hear(fd uintptr) int {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// makeAll makes the round's jobs. Questions the poller makes itself, before it hears more. What else is beyond a
// ringful is made by whatever processor is free.
func (p *poller) makeAll() {
	for len(p.jobs) > ringful {
		at := len(p.jobs) - ringful
		go p.make(slices.Clone(p.jobs[at:]))
		clear(p.jobs[at:])
		p.jobs = p.jobs[:at]
	}
	for some := range slices.Chunk(p.questions, ringful) {
		if len(some)+len(p.jobs) <= ringful { // the last
			p.jobs = append(p.jobs, some...)
		} else {
			p.make(some)
		}
	}
	p.make(p.jobs)
	clear(p.questions)
	clear(p.jobs)
}

// make makes at most a ringful of jobs, and wakes who waits for them.
func (p *poller) make(jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	if len(jobs) == 1 || !p.makeTogether(jobs) {
		for _, j := range jobs {
			j.make()
		}
	}
	heard, now := p.listens.Load(), time.Now()
	for _, j := range jobs {
		j.heard, j.at = heard, now
		j.tell()
	}
}

// makeTogether is false where there is no ring to make jobs in.
func (p *poller) makeTogether(jobs []*job) bool {
	if !p.makes() {
		return false
	}
	var r *ring
	select {
	case r = <-p.rings:
	default:
		if r = openRing(); r == nil {
			return false
		}
	}
	if !r.make(jobs) {
		p.broken.Store(true)
		r.close()
		return true
	}
	select {
	case p.rings <- r:
	default:
		r.close()
	}
	return true
}

const (
	readable = syscall.EPOLLIN | unsure
	writable = syscall.EPOLLOUT | syscall.EPOLLHUP | syscall.EPOLLERR
	// unsure are an end and urgent bytes: there may be more to read than a short read says.
	unsure = syscall.EPOLLPRI | syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
)

// tell passes an event on. It may be one of a descriptor's last owner.
func (p *poller) tell(e *syscall.EpollEvent) {
	c := p.conns.at(int(e.Fd))
	if c == nil || c.number != uint32(e.Pad) {
		return
	}
	if e.Events&unsure != 0 {
		c.unsure.Store(true)
	}
	if e.Events&syscall.EPOLLPRI != 0 {
		c.urgent.Store(true)
	}
	if e.Events&readable != 0 {
		p.tellReader(c)
	}
	if e.Events&writable != 0 {
		c.out.tell()
	}
}

func (p *poller) tellReader(c *conn) {
	if out := &c.out.job; out.listed {
		out.spoken = true
	} else if c.in.job.take() {
		p.jobs = append(p.jobs, &c.in.job)
		return
	}
	p.woken++
	c.in.tell()
}

// watch has p tell of c from now on.
func (p *poller) watch(c *conn) error {
	c.poller, c.number = p, p.numbers.Add(1)
	p.conns.put(c.fd, c)
	// Each change is told once, so that nothing need be said when it was heard.
	e := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLPRI | syscall.EPOLLRDHUP | unix.EPOLLET, Fd: int32(c.fd), Pad: int32(c.number)}
	err := syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, c.fd, &e)
	if err != nil {
		p.forget(c)
	}
	return err
}

// forget is called before the descriptor is closed, with which the system forgets it.
func (p *poller) forget(c *conn) { p.conns.put(c.fd, nil) }

// table finds connections by their descriptors, which are small numbers. Reading it takes no lock.
type table struct {
	growing sync.Mutex
	rows    atomic.Pointer[[]*row]
}

type row [512]atomic.Pointer[conn]

func (t *table) at(fd int) *conn {
	rows := t.rows.Load()
	if rows == nil || fd/len(row{}) >= len(*rows) {
		return nil
	}
	return (*rows)[fd/len(row{})][fd%len(row{})].Load()
}

func (t *table) put(fd int, c *conn) {
	rows := t.rows.Load()
	if rows == nil || fd/len(row{}) >= len(*rows) {
		rows = t.grow(fd/len(row{}) + 1)
	}
	(*rows)[fd/len(row{})][fd%len(row{})].Store(c)
}

func (t *table) grow(to int) *[]*row {
	t.growing.Lock()
	defer t.growing.Unlock()
	var rows []*row
	if had := t.rows.Load(); had != nil {
		rows = append(rows, *had...)
	}
	for len(rows) < to {
		rows = append(rows, new(row))
	}
	t.rows.Store(&rows)
	return &rows
}
