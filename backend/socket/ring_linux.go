//go:build !race

package socket

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring has the system make many calls for one (io_uring(7)). It is given only such as do not wait: all are made
// when make returns, and none is under way behind our back.
type ring struct {
	fd           int
	area, places []byte   // shared with the system
	entries      []entry  // of places: what is to be made
	results      []result // of area, as are these: what was made
	entriesEnd   *uint32
	resultsFirst *uint32
	resultsEnd   *uint32
}

// entry is struct io_uring_sqe.
type entry struct {
	code    uint8
	_       [3]uint8
	fd      int32
	_       uint64
	address uint64
	size    uint32
	flags   uint32
	job     uint64
	_       [3]uint64
}

// result is struct io_uring_cqe.
type result struct {
	job  uint64
	says int32 // as a job's result
	_    uint32
}

// setup is struct io_uring_params.
type setup struct {
	entries, results, flags, _, _, _, _, _, _, _ uint32
	entriesAt                                    struct{ first, end, _, _, _, _, order, _, _, _ uint32 }
	resultsAt                                    struct{ first, end, _, _, _, results, _, _, _, _ uint32 }
}

const (
	codeSend, codeRecv = 26, 27
	submitAll          = 1 << 7 // of the setup: an entry that is wrong does not stop the others. Before Linux 5.18 there is no such flag, and no ring
	waitForResults     = 1 << 0 // of the call
	areaAt, placesAt   = 0, 0x10000000
)

// openRing is nil where the system gives none.
func openRing() *ring {
	s := setup{flags: submitAll}
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, ringful, uintptr(unsafe.Pointer(&s)), 0)
	if errno != 0 {
		return nil
	}
	r := &ring{fd: int(fd)} // which programs that we start do not get: the system opens it so
	size := max(s.entriesAt.order+s.entries*4, s.resultsAt.results+s.results*uint32(unsafe.Sizeof(result{})))
	var err error
	if r.area, err = r.share(areaAt, int(size)); err == nil {
		r.places, err = r.share(placesAt, int(s.entries)*int(unsafe.Sizeof(entry{})))
	}
	if err != nil {
		r.close()
		return nil
	}
	number := func(at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.area[at])) }
	for i := range s.entries {
		*number(s.entriesAt.order + 4*i) = i
	}
	r.entries = unsafe.Slice((*entry)(unsafe.Pointer(&r.places[0])), s.entries)
	r.results = unsafe.Slice((*result)(unsafe.Pointer(&r.area[s.resultsAt.results])), s.results)
	r.entriesEnd, r.resultsFirst, r.resultsEnd = number(s.entriesAt.end), number(s.resultsAt.first), number(s.resultsAt.end)
	return r
}

func (r *ring) share(at int64, size int) ([]byte, error) {
	return syscall.Mmap(r.fd, at, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_POPULATE)
}

func (r *ring) close() {
	for _, m := range [][]byte{r.area, r.places} {
		if m != nil {
			_ = syscall.Munmap(m)
		}
	}
	_ = syscall.Close(r.fd) // of what is over
}

// make makes jobs, at most ringful. It is false when the ring is good for nothing any more.
func (r *ring) make(jobs []*job) (good bool) {
	end := *r.entriesEnd
	for i, j := range jobs {
		e := &r.entries[(end+uint32(i))%uint32(len(r.entries))]
		*e = entry{
			code: codeRecv, fd: int32(j.fd), job: uint64(i),
			address: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(j.p)))), size: uint32(len(j.p)),
			flags: syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL,
		}
		if j.sends {
			e.code = codeSend
		}
	}
	atomic.StoreUint32(r.entriesEnd, end+uint32(len(jobs)))
	good = true
	for asked, left := len(jobs), len(jobs); left > 0; {
		n, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(asked), uintptr(left), waitForResults, 0, 0)
		switch errno {
		case 0:
			asked -= int(n)
		case syscall.EINTR:
		default: // it is not to be had any more
			atomic.StoreUint32(r.entriesEnd, *r.entriesEnd-uint32(asked))
			for _, j := range jobs[len(jobs)-asked:] {
				j.make()
			}
			asked, left, good = 0, left-asked, false
		}
		first := *r.resultsFirst
		for ; first != atomic.LoadUint32(r.resultsEnd); first++ {
			made := &r.results[first%uint32(len(r.results))]
			jobs[made.job].result(made.says)
			left--
		}
		atomic.StoreUint32(r.resultsFirst, first)
	}
	return good
}
