package upstream

import (
	"testing"
	"time"
)

// told is a connection of which the poller has told, or not yet.
type told bool

func (told) Ask([]byte, []byte) (n int, rest []byte, sent time.Time, err error) { return }
func (s told) Silent() bool                                                     { return bool(s) }

// The connection that was used last is taken, but one of which nothing is known yet after those of which that
// is known: it would be asked for.
func TestWhatIsKnownToBeSilentIsTakenFirst(t *testing.T) {
	many := make([]bool, 40)
	many[0] = true
	for name, c := range map[string]struct {
		silent []bool // the last used last
		want   int
	}{
		"all known":            {[]bool{true, true, true}, 2},
		"the last is not":      {[]bool{true, true, false}, 1},
		"the first alone is":   {[]bool{true, false, false}, 0},
		"none is":              {[]bool{false, false}, 1},
		"too far back to look": {many, 39},
	} {
		s := &site{}
		for _, silent := range c.silent {
			s.idle = append(s.idle, &conn{asker: told(silent)})
		}
		if got := s.latest(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if s := (&site{idle: []*conn{{asker: told(true)}, {}}}); s.latest() != 1 {
		t.Error("what cannot be asked is looked at anyway: nothing speaks against it")
	}
}
