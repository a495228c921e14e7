package core

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	quietBytes   = 1 << 20 // allocated in a second in which nothing goes on but our own heart beat
	quietSeconds = 3
	worthBytes   = 8 << 20 // allocated since memory was given back last: less is not worth a collection

	// room is how much the heap may grow between two collections where little lives in it: at the
	// runtime's own 100 percent a proxy of a few megabytes collects dozens of times a second, and its slowest
	// requests are those that wait for it.
	room = 64 << 20
	// mostPercent gives even the smallest heap that room: at 100 percent the runtime does not collect below
	// 4 MiB, and at more in proportion.
	mostPercent = room / (4 << 20) * 100
)

// memory notices when a busy time is over, and gives back what it left. The runtime by itself would
// keep that for minutes, for a load that may not come again.
type memory struct {
	sample   [2]metrics.Sample
	percent  int    // as set; 0 before
	last     uint64 // allocated so far, a second ago
	given    uint64 // allocated so far, when memory was given back
	quietFor int
}

// beat is to be called at the start, and then once a second.
func (m *memory) beat() {
	m.sample[0].Name, m.sample[1].Name = "/gc/heap/allocs:bytes", "/gc/heap/live:bytes"
	metrics.Read(m.sample[:])
	m.makeRoom(m.sample[1].Value.Uint64())
	if m.quiet(m.sample[0].Value.Uint64()) {
		runtime.GC() // each collection halves the stacks that are mostly empty
		debug.FreeOSMemory()
	}
}

// makeRoom sets how much the heap may grow before it is collected, unless the user has (GOGC).
func (m *memory) makeRoom(live uint64) {
	percent := roomFor(live)
	if m.percent-m.percent/4 <= percent && percent <= m.percent+m.percent/4 || os.Getenv("GOGC") != "" {
		return
	}
	m.percent = percent
	debug.SetGCPercent(percent)
}

func roomFor(live uint64) (percent int) {
	return int(min(max(100, room*100/max(1, live)), mostPercent))
}

// quiet tells that this is the moment, at which so much was allocated so far.
func (m *memory) quiet(allocated uint64) bool {
	m.quietFor++
	if allocated-m.last > quietBytes {
		m.quietFor = 0
	}
	m.last = allocated
	if m.quietFor < quietSeconds || allocated-m.given < worthBytes {
		return false
	}
	m.given = allocated
	return true
}
