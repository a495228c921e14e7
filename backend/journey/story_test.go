package journey

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// A story is a .txtar file: a sentence or two on what a user gets, then sections that are gone through in
// order, against the real program over real sockets.
//
//   - config.toml: the configuration. A later one is put in force while the program runs.
//   - restart, which is empty: the program ends and starts again in the same folder.
//   - names: lines "several.test 127.0.0.2 127.0.0.3": the addresses of names from now on.
//   - send: a request as a person would write it, each on a connection of its own. "send 3" is the same
//     request three times at once. "send &" does not wait for the answer: "await", which is empty, waits
//     for the oldest of those, and what follows looks at it. Who is not awaited leaves when the story ends.
//   - want: of the answer, the status, the fields that must be there and, behind a blank line, the body.
//     (any) is whatever value, (none) is no such field, "~ REGEXP" matches. The status (none) is a
//     connection that ended without an answer, and "(broken off)" the last line of a body that did not
//     end. A want of 1xx is of the next interim answer; others are passed over.
//   - trail: a line each step of the last exchange: the cell, what it did, and why.
//   - facts: lines "CELL NAME VALUE" or "CELL NAME ~ REGEXP" that stand in that trail; (any) and (none) as above.
//   - origin: what ORIGIN answers to the next request, once: a line "after 200ms" if it takes its time; then
//     "hang up", "silent" (until the other side goes), or status, fields, blank line and body, of which
//     "hang up in body" as the last line breaks off. What meets "hang up" on a connection that was used
//     before is sent again by the pool. {0}, {-10s} and {+1h} in a field are HTTP dates so far from then.
//     Date, Content-Length and the framing come by themselves where they are not written; "(none)" leaves a
//     field out. An answer of 1xx is followed by the next one. When none is left, ORIGIN answers
//     as the mirror does. One that is never asked for is a fault.
//   - asked: what reached ORIGIN since the last asked: "METHOD /target" and then fields as in want, blank
//     lines between requests; or "nothing".
//   - health: lines "/path/health 503" or "/path/health 200 BODY": what ORIGIN answers to health checks from
//     now on, which are requests whose path ends in /health, and the gRPC health protocol's. They are in no
//     asked and take no origin; before they are answered 200, ok.
//   - wait: a duration of at most 2s. "wait until": a line "CELL TEXT", until a line of what `proxycache
//     cells CELL` says has the text; 5 s at most.
//   - act: a line as behind `proxycache cells`, and lines with what its output must have.
//   - cell: a cell, and lines with what one line each of what `proxycache cells CELL` says must have. A pool,
//     "upstream/shop", is told by lines "TARGET is STATE: REASON", "TARGET was STATE: REASON" for each of its
//     history, and "TARGET has weight 0.1 of 1, 0 in flight, 1 ejections".
//
// ORIGIN is the address of a server that answers with what it was sent, PORT its port, so that
// a.localhost:PORT leads there, too; ORIGIN2 to ORIGIN9 are other addresses of it, and at EVERYPORT it
// listens at every address of this machine, 127.0.0.2 among them. PROXY is the proxy's,
// REDIS and MEMCACHED are those of servers of this machine that are started where a story names them, and
// at DEAD nobody listens. DIR is a folder of the story's own.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no story in testdata")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var faults []string
			for range patientTellings {
				if faults = tell(t, file, text); len(faults) == 0 {
					return
				}
				t.Logf("told again, for a busy machine may have been too slow for its windows of time: %q", faults)
			}
			for _, fault := range faults {
				t.Error(fault)
			}
		})
	}
}

// patientTellings is how often a story is told until it comes true: many have windows of a second, and a
// machine that is busy with other tests may sleep through one. What is wrong is wrong each time.
const patientTellings = 3

// section is a part of a story.
type section struct {
	name string // "send 3"
	text string // with the words replaced
	line int    // of its name in the file
}

// lines are those of the text; the first of them is line 1 of the section.
func (s section) lines() []string {
	if s.text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s.text, "\n"), "\n")
}

func sectionsOf(text []byte) (out []section) {
	story := txtar.Parse(text)
	line := 1 + strings.Count(string(story.Comment), "\n")
	for _, f := range story.Files {
		out = append(out, section{f.Name, string(f.Data), line})
		line += 1 + strings.Count(string(f.Data), "\n")
	}
	return out
}

// misfit is what a story has wrong in a line of a section, counted from 1; 0 is the section's name.
type misfit struct {
	line int
	text string
}

func (m misfit) Error() string { return m.text }

func at(line int, format string, args ...any) error {
	return misfit{line, fmt.Sprintf(format, args...)}
}

// telling is a story that is being gone through.
type telling struct {
	t     *testing.T
	file  string
	words *words
	names *storyNames
	house *house // nil before the first config.toml
	cells *cells

	sent      int           // requests so far
	last      []*exchange   // of the last send or await
	unawaited [][]*exchange // the oldest first
}

// tell goes through a story and returns what is wrong, with file, line, exchange and section. It ends at
// the first section that cannot be gone through.
func tell(t *testing.T, file string, text []byte) (faults []string) {
	t.Helper()
	s := &telling{t: t, file: file, words: newWords(t), names: &storyNames{known: map[string][]netip.Addr{}}}
	defer s.leave()
	for _, one := range sectionsOf(text) {
		one.text = s.words.replace(one.text)
		err := s.step(one)
		faults = append(faults, s.faultsOf(one, err)...)
		if stopped, ok := errors.AsType[stop](err); ok {
			return append(faults, s.faultOf(one, stopped.error))
		}
	}
	for _, line := range s.words.origin.unasked() {
		faults = append(faults, fmt.Sprintf("%s:%d: exchange %d, origin: no request came that this is the answer to", file, line, s.sent))
	}
	return faults
}

// stop is an error after which nothing that follows makes sense.
type stop struct{ error }

func (s *telling) faultsOf(one section, err error) (out []string) {
	if _, stopped := errors.AsType[stop](err); err == nil || stopped {
		return nil
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, inner := range several.Unwrap() {
			out = append(out, s.faultOf(one, inner))
		}
		return out
	}
	return []string{s.faultOf(one, err)}
}

func (s *telling) faultOf(one section, err error) string {
	line := one.line
	if m, ok := errors.AsType[misfit](err); ok {
		line += m.line
	}
	return fmt.Sprintf("%s:%d: exchange %d, %s: %v", s.file, line, s.sent, one.name, err)
}

// step goes through one section.
func (s *telling) step(one section) error {
	name, rest, _ := strings.Cut(one.name, " ")
	var known []string
	for _, k := range s.known() {
		if k.name == name && (rest == "" || k.more != nil && k.more(rest)) {
			if k.running && s.house == nil {
				return stop{fmt.Errorf("nothing runs yet: begin with config.toml")}
			}
			return k.do(one)
		}
		known = append(known, k.name)
	}
	return stop{fmt.Errorf("it is no section: write %s", strings.Join(known, ", "))}
}

// kind is a kind of section.
type kind struct {
	name    string
	more    func(rest string) bool // what may stand behind the name; nil for nothing
	running bool                   // the program must run
	do      func(section) error
}

func (s *telling) known() []kind {
	until := func(rest string) bool { return rest == "until" }
	return []kind{
		{"config.toml", nil, false, s.configure},
		{"restart", nil, true, s.restart},
		{"names", nil, false, s.naming},
		{"send", isSending, true, s.send},
		{"await", nil, true, s.await},
		{"want", nil, true, s.want},
		{"trail", nil, true, s.trail},
		{"facts", nil, true, s.facts},
		{"origin", nil, false, s.origin},
		{"asked", nil, true, s.asked},
		{"health", nil, false, s.health},
		{"wait", until, true, s.wait},
		{"act", nil, true, s.act},
		{"cell", nil, true, s.cell},
	}
}

// leave breaks off what was never awaited.
func (s *telling) leave() {
	for _, several := range s.unawaited {
		for _, e := range several {
			e.leave()
		}
	}
}
