package core

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	quietBytes   = 1 << 20 // allocated in a second in which nothing goes on but our own heart beat
	quietSeconds = 3
	worthBytes   = 32 << 20 // allocated since memory was given back last: less is not worth a collection
)

// memory notices when a busy time is over, and gives back what it left. The runtime by itself would
// keep that for minutes, for a load that may not come again.
type memory struct {
	sample   [1]metrics.Sample
	last     uint64 // allocated so far, a second ago
	given    uint64 // allocated so far, when memory was given back
	quietFor int
}

// beat is to be called once a second.
func (m *memory) beat() {
	m.sample[0].Name = "/gc/heap/allocs:bytes"
	metrics.Read(m.sample[:])
	if m.quiet(m.sample[0].Value.Uint64()) {
		runtime.GC() // each collection halves the stacks that are mostly empty
		debug.FreeOSMemory()
	}
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
