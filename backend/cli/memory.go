package cli

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/metrics"
)

// memory is what a stretch of time allocated, and what collecting it cost.
type memory struct {
	Objects uint64  `json:"objects"` // as runtime.MemStats.Mallocs counts them
	Bytes   uint64  `json:"bytes"`
	GC      float64 `json:"gc_seconds"`  // CPU time of the collector
	CPU     float64 `json:"cpu_seconds"` // CPU time of the Go side, the collector included
}

// memorySoFar is since the program began. It collects first: the runtime brings its CPU times up to
// date at the end of a collection only.
func memorySoFar() memory {
	runtime.GC()
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"},
	}
	metrics.Read(samples)
	count := func(i int) uint64 { return samples[i].Value.Uint64() }
	seconds := func(i int) float64 { return samples[i].Value.Float64() }
	return memory{
		Objects: count(0) + count(1), Bytes: count(2),
		GC:  seconds(3) - seconds(4), // marking in otherwise idle time takes nothing from anyone
		CPU: seconds(5) - seconds(6) - seconds(4),
	}
}

// since writes what came after m to file.
func (m memory) since(file string) error {
	now := memorySoFar()
	text, err := json.Marshal(memory{Objects: now.Objects - m.Objects, Bytes: now.Bytes - m.Bytes, GC: now.GC - m.GC, CPU: now.CPU - m.CPU})
	if err != nil {
		return failure{err}
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return failure{err}
	}
	return nil
}
