package main

import "testing"

func TestWhatDiedWithItsPackageIsNamed(t *testing.T) {
	g := goCount{output: map[string][]string{}}
	for _, e := range []testEvent{
		{Action: "output", Package: "p", Test: "TestFine", Output: "fine\n"},
		{Action: "pass", Package: "p", Test: "TestFine"},
		{Action: "output", Package: "p", Test: "TestHeld", Output: "=== RUN TestHeld\n"},
		{Action: "output", Package: "p/q", Test: "TestOther", Output: "=== RUN TestOther\n"},
		{Action: "output", Package: "p", Output: "FAIL p\n"},
		{Action: "fail", Package: "p"},
	} {
		g.hear(e)
	}
	if got := g.unfinished("p"); len(got) != 1 || got[0] != "p TestHeld" || g.output[got[0]][0] != "=== RUN TestHeld\n" {
		t.Errorf("it names %v", got)
	}
	if g.passed != 1 || g.failed != 1 {
		t.Errorf("%d passed, %d failed", g.passed, g.failed)
	}
}
