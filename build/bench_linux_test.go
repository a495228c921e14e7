package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func paced(t *testing.T, handler http.HandlerFunc, rate float64, connections int, d time.Duration) ([]time.Duration, error) {
	t.Helper()
	s := httptest.NewServer(handler)
	defer s.Close()
	return pace(t.Context(), strings.TrimPrefix(s.URL, "http://"), "/", rate, connections, d)
}

func TestPacedRequestsAreAllSentAndAnswered(t *testing.T) {
	var served atomic.Int64
	took, err := paced(t, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		_, _ = w.Write(make([]byte, 1024))
	}, 1000, 8, 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if len(took) != 500 || served.Load() != 500 {
		t.Fatalf("%d figures of %d requests: 500 were due", len(took), served.Load())
	}
}

// What the load generator must not hide: while a server stands still, the requests that are due in that
// time wait, too, though only one of them is under way.
func TestWaitingBehindASlowAnswerCounts(t *testing.T) {
	const stall = 300 * time.Millisecond
	var served atomic.Int64
	took, err := paced(t, func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1) == 1 {
			time.Sleep(stall)
		}
		_, _ = w.Write([]byte("x"))
	}, 200, 1, 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	slow := 0
	for _, d := range took {
		if d > stall/6 {
			slow++
		}
	}
	if slow < 25 { // 60 are due during the stall, and five sixths of it are over before 10 of them
		t.Fatalf("%d of %d requests waited, p99 %s: the stall of %s is hidden", slow, len(took), percentiles(took).p99, stall)
	}
}

func TestAnErrorIsNotAnAnswer(t *testing.T) {
	_, err := paced(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, 100, 1, 100*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "502") {
		t.Fatalf("a 502 gave %v", err)
	}
}

func TestPacingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() }))
	defer s.Close()
	if _, err := pace(ctx, strings.TrimPrefix(s.URL, "http://"), "/", 10, 1, time.Hour); err == nil {
		t.Fatal("an hour of load ended without an error")
	}
}

func TestPercentiles(t *testing.T) {
	var took []time.Duration
	for i := range 1001 {
		took = append(took, time.Duration(1000-i)*time.Millisecond)
	}
	if got, want := percentiles(took), (latency{500 * time.Millisecond, 990 * time.Millisecond, 999 * time.Millisecond}); got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestARatioIsTheMedianOfTheRoundsOwn(t *testing.T) {
	f := newFigures()
	one := func(micros int) loaded { return loaded{requests: 1, cpu: time.Duration(micros) * time.Microsecond} }
	for _, round := range [][2]int{{10, 20}, {100, 300}, {10, 10}} { // the second round was disturbed, both alike
		f.add("nginx", kilobyte.name, one(round[0]))
		f.add("proxycache-off", kilobyte.name, one(round[1]))
	}
	if got := f.ratio(kilobyte, "proxycache-off", "nginx"); got != 2 {
		t.Fatalf("got %v, want the 2 of the first round", got)
	}
	if got := f.ratio(kilobyte, "proxycache-off", "caddy"); got != 0 {
		t.Fatalf("the ratio to what was not measured is %v", got)
	}
}

func TestPartsOfAProfile(t *testing.T) {
	traces := `File: proxycache
Type: cpu
Duration: 4s, Total samples = 100ms ( 2.50%)
-----------+-------------------------------------------------------
      50ms   internal/runtime/syscall/linux.Syscall6
             syscall.write
             proxycache/backend/ingress.(*client).serve
-----------+-------------------------------------------------------
      20ms   runtime.memmove
             proxycache/backend/http1.(*Reader).Head
             proxycache/backend/ingress.(*client).serve
-----------+-------------------------------------------------------
      10ms   runtime.nextFreeFast (inline)
             runtime.mallocgc
             proxycache/backend/http1.(*Reader).Head
-----------+-------------------------------------------------------
      10ms   runtime.scanobject
             runtime.gcDrain
             runtime.gcBgMarkWorker
-----------+-------------------------------------------------------
      10ms   runtime.findRunnable
             runtime.schedule
             runtime.mcall
-----------+-------------------------------------------------------
`
	want := map[string]float64{"system calls": .5, "backend/http1": .2, "allocation": .1, "collector": .1, "scheduler": .1}
	got := parts(traces)
	for _, p := range got {
		if diff := p.share - want[p.name]; diff > 1e-9 || diff < -1e-9 {
			t.Errorf("%s is %v, want %v", p.name, p.share, want[p.name])
		}
	}
	if len(got) != len(want) || got[0].name != "system calls" {
		t.Fatalf("got %v, want %v, the greatest first", got, want)
	}
}

func TestATableIsMarkdown(t *testing.T) {
	got := table{{"µs", "nginx"}, {"h1", "9"}}.String()
	if want := "| µs  | nginx |\n|-----|------:|\n| h1  |     9 |\n"; got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}

func TestARunIsWrittenBelowTheMark(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	for i, page := range []string{"# Page\n" + runMark, "# Page\n" + runMark + "\nan older run\n"} {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := document(file, "a run\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != "# Page\n"+runMark+"\na run\n" {
			t.Fatalf("%d: %q %v", i, got, err)
		}
	}
	if err := os.WriteFile(file, []byte("no mark"), 0o644); err != nil {
		t.Fatal(err)
	}
	if document(file, "a run") == nil {
		t.Fatal("a page without the mark was written")
	}
}

// What a benchmark moved must be where it was: this is somebody's machine. The test moves itself and what it
// starts; to others it could do harm meanwhile.
func TestWhatWasMovedAwayIsMovedBack(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("there is one processor: nothing is moved")
	}
	begin := func(command ...string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), command[0], command[1:]...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		return c
	}
	processors := func(c *exec.Cmd) int {
		var of unix.CPUSet
		if err := unix.SchedGetaffinity(c.Process.Pid, &of); err != nil {
			t.Fatal(err)
		}
		return of.Count()
	}
	ours := func() []thread {
		return slices.DeleteFunc(threads(), func(one thread) bool { return one.process != os.Getpid() && one.parent != os.Getpid() })
	}
	old, pinned := begin("sleep", "60"), begin("taskset", "--cpu-list", "0", "sleep", "60")
	before := processors(old)
	for processors(pinned) != 1 { // taskset pins itself before it becomes sleep
		time.Sleep(time.Millisecond)
	}
	back := moveAway(ours)
	young := begin("sleep", "60")
	if a, b := processors(old), processors(young); a != 1 || b != 1 {
		t.Errorf("moved away, programs run on %d and %d processors: the others are for what is measured", a, b)
	}
	back()
	if a, b, c := processors(old), processors(young), processors(pinned); a != before || b != before || c != 1 {
		t.Errorf("afterwards programs run on %d and %d processors, before on %d; the one that was on one is on %d", a, b, before, c)
	}
}
