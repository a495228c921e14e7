package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shield keeps whatever runs on this machine on the processor of the load, until back is called: other
// programs, this one, and the kernel's threads. They take a processor for milliseconds at a time, and
// mostly the one that a peer has to itself: on the way without a proxy nobody works there. What it has no
// rights to move stays.
func shield() (back func()) { return moveAway(threads) }

// moveAway moves those that which lists to the processor of the load.
func moveAway(which func() []thread) (back func()) {
	var loads unix.CPUSet
	loads.Set(loadProcessor)
	before := map[int]unix.CPUSet{} // of those, too, that stay
	for _, t := range which() {
		var was unix.CPUSet
		if unix.SchedGetaffinity(t.id, &was) != nil { // it has ended
			continue
		}
		if before[t.id] = was; was.Count() > 1 {
			_ = unix.SchedSetaffinity(t.id, &loads) // some of the kernel's may not be moved
		}
	}
	return func() {
		const tries = 5 // something may begin while one goes on
		for i := 0; i < tries && moveBack(which(), before, loads); i++ {
		}
	}
}

// moveBack gives those that are on the processors from the ones they had before. Who has begun since had what
// the one had that began it.
func moveBack(all []thread, before map[int]unix.CPUSet, from unix.CPUSet) (moved bool) {
	for _, t := range all {
		var is unix.CPUSet
		if unix.SchedGetaffinity(t.id, &is) != nil || is != from {
			continue
		}
		for _, of := range []int{t.id, t.process, t.parent} {
			was, known := before[of]
			if !known {
				continue
			}
			before[t.id] = was
			if was != from && unix.SchedSetaffinity(t.id, &was) == nil {
				moved = true
			}
			break
		}
	}
	return moved
}

type thread struct{ id, process, parent int }

// threads are those of all processes, mostly in the order in which they began.
func threads() (all []thread) {
	tasks, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*") // without them there are none to be found
	for _, task := range tasks {
		stat, _ := os.ReadFile(filepath.Join(task, "stat"))
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // behind the name, which may hold anything
		if len(fields) < 2 {
			continue // it has ended
		}
		id, _ := strconv.Atoi(filepath.Base(task))
		process, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(task))))
		parent, _ := strconv.Atoi(fields[1])
		all = append(all, thread{id, process, parent})
	}
	slices.SortFunc(all, func(a, b thread) int { return a.id - b.id })
	return all
}
