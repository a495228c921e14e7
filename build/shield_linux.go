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
func shield() (back func()) {
	var loads unix.CPUSet
	loads.Set(loadProcessor)
	before := map[int]unix.CPUSet{}
	for _, t := range threads() {
		var was unix.CPUSet
		if unix.SchedGetaffinity(t.id, &was) == nil && was.Count() > 1 && unix.SchedSetaffinity(t.id, &loads) == nil {
			before[t.id] = was
		}
	}
	return func() {
		const tries = 5 // something may begin while one goes on
		for i := 0; i < tries && moveBack(before, loads); i++ {
		}
	}
}

// moveBack gives threads on those processors the ones they had before. Those that have begun since had what the
// one had that began them.
func moveBack(before map[int]unix.CPUSet, from unix.CPUSet) (moved bool) {
	for _, t := range threads() {
		var is unix.CPUSet
		if unix.SchedGetaffinity(t.id, &is) != nil || is != from {
			continue
		}
		for _, of := range []int{t.id, t.process, t.parent} {
			if was, known := before[of]; known {
				before[t.id] = was
				moved = unix.SchedSetaffinity(t.id, &was) == nil || moved
				break
			}
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
