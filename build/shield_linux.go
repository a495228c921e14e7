package main

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// kthreadd is the process that all threads of the kernel descend from.
const kthreadd = 2

// shield keeps the kernel's threads that may run anywhere on the processor of the load, until back is
// called. They take a processor for a millisecond at a time, and mostly the one that a peer has to itself:
// on the way without a proxy nobody works there. Without the rights it does nothing.
func shield() (back func()) {
	var loads unix.CPUSet
	loads.Set(loadProcessor)
	before := map[int]unix.CPUSet{}
	for _, pid := range kernelThreads() {
		var was unix.CPUSet
		if unix.SchedGetaffinity(pid, &was) == nil && was.Count() > 1 && unix.SchedSetaffinity(pid, &loads) == nil {
			before[pid] = was
		}
	}
	return func() {
		for pid, was := range before {
			_ = unix.SchedSetaffinity(pid, &was) // it may have ended
		}
	}
}

func kernelThreads() (pids []int) {
	entries, _ := os.ReadDir("/proc") // without it there are none to be found
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, _ := os.ReadFile("/proc/" + e.Name() + "/stat")
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(kthreadd) {
			pids = append(pids, pid)
		}
	}
	return pids
}
