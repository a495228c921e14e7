package certs

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/problem"
)

// Files are certificates that others made, in files. They are read again when the files change: what
// cannot be used then leaves in force what was there before. Its methods may be called at any time by
// any goroutine.
type Files struct {
	pairs []Pair
	log   *slog.Logger
	set   atomic.Pointer[Set]
	// faults are of the last look, one a pair; nil where its files are as they are in force.
	faults atomic.Pointer[[]*problem.Problem]
	told   map[string]bool // what was logged of the last look; the goroutine's own

	stop  chan struct{}
	ended sync.WaitGroup
}

const (
	// settled is how long the files must be quiet: a certificate and its key are written one after the
	// other.
	settled = 100 * time.Millisecond
	// lookAgain is for what no event tells: network file systems, a folder that was away for a while.
	lookAgain = time.Minute
	// endingSoon is from when on an end is told. Those who renew by themselves have done so by then.
	endingSoon = 14 * 24 * time.Hour
)

// OpenFiles reads all pairs and watches them until Close. The error is a problem, or a problem.List
// where several pairs cannot be used; nothing is watched then. Certificates that have ended are taken:
// Problems tells.
func OpenFiles(pairs []Pair, log *slog.Logger) (*Files, error) {
	f := &Files{pairs: slices.Clone(pairs), log: log, stop: make(chan struct{}), told: map[string]bool{}}
	if len(pairs) == 0 {
		f.set.Store(newSet(nil))
		f.faults.Store(&[]*problem.Problem{})
		return f, nil
	}
	w := watch(f.paths(), log) // before the first look: what changes in between is seen
	all := make([]*loaded, len(pairs))
	faults, _ := f.read(all)
	if err := together(faults); err != nil {
		w.close()
		return nil, err
	}
	f.set.Store(newSet(all))
	f.faults.Store(&faults)
	f.tell()
	f.ended.Go(func() { f.keepUp(w) })
	return f, nil
}

// Check reads all pairs once. The error is that of OpenFiles.
func Check(pairs []Pair) error {
	f := &Files{pairs: pairs}
	faults, _ := f.read(make([]*loaded, len(pairs)))
	return together(faults)
}

func together(faults []*problem.Problem) error {
	list := slices.DeleteFunc(slices.Clone(faults), func(p *problem.Problem) bool { return p == nil })
	if len(list) == 1 {
		return list[0]
	}
	return problem.List(list).Err()
}

// Close ends the watching. The set stays as it is.
func (f *Files) Close() {
	close(f.stop)
	f.ended.Wait()
}

// Set are the certificates in force. It is another one after each change.
func (f *Files) Set() *Set { return f.set.Load() }

func (f *Files) paths() []string {
	var out []string
	for _, p := range f.pairs {
		out = append(out, p.Certificate, p.Key)
	}
	return out
}

// read brings all up to what the files hold, as far as that can be used, and tells whether anything is
// another than before.
func (f *Files) read(all []*loaded) (faults []*problem.Problem, changed bool) {
	faults = make([]*problem.Problem, len(f.pairs))
	for i, p := range f.pairs {
		t, fault := p.read()
		if fault != nil {
			faults[i] = fault
			continue
		}
		sum := t.sum()
		if all[i] != nil && all[i].sum == sum {
			continue
		}
		certificate, fault := p.parse(t)
		if fault != nil {
			faults[i] = fault
			continue
		}
		all[i], changed = &loaded{certificate, sum}, true
	}
	return faults, changed
}

// keepUp looks at the files whenever they may have changed.
func (f *Files) keepUp(w *watcher) {
	defer w.close()
	quiet := time.NewTimer(settled)
	quiet.Stop() // until an event
	defer quiet.Stop()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-f.stop:
			return
		case e := <-w.events:
			if w.concerns(e.Name) {
				quiet.Reset(settled)
			}
			continue
		case <-w.errors: // an overflow: look as if everything had changed
		case <-again.C:
		case <-quiet.C:
		}
		w.follow(f.paths()) // first: what changes from here on is seen
		f.look()
	}
}

func (f *Files) look() {
	before := f.set.Load()
	all := slices.Clone(before.all)
	faults, changed := f.read(all)
	for i, fault := range faults {
		if fault != nil {
			q := *fault
			q.Message += " Until then the certificate read before it is shown."
			faults[i] = &q
		}
	}
	f.faults.Store(&faults)
	if changed {
		f.set.Store(newSet(all))
		for i, l := range all {
			if l != before.all[i] {
				f.log.Info("a certificate was read again", "file", f.pairs[i].Certificate, "names", namesOf(l.certificate.Leaf), "until", l.certificate.Leaf.NotAfter)
			}
		}
	}
	f.tell()
}

// tell logs what was not so at the last look.
func (f *Files) tell() {
	now := map[string]bool{}
	for _, p := range f.Problems() {
		now[p.Message] = true
		if !f.told[p.Message] {
			f.log.Warn(p.Message, "setting", p.Where)
		}
	}
	f.told = now
}

// Problems are what a person should mend: files that cannot be used any more, certificates that have
// ended or will within two weeks, keys that others can read.
func (f *Files) Problems() problem.List {
	var list problem.List
	for _, p := range *f.faults.Load() {
		if p != nil {
			list = append(list, p)
		}
	}
	for i, l := range f.set.Load().all {
		if p := f.pairs[i].aged(l.certificate.Leaf.NotBefore, l.certificate.Leaf.NotAfter); p != nil {
			list = append(list, p)
		}
		if len(namesOf(l.certificate.Leaf)) == 0 {
			list = append(list, problem.New(problem.Invalid, "The certificate %s is for no name: clients do not accept it. Have one made with subject alternative names.", f.pairs[i].Certificate).At(f.pairs[i].Where+".cert"))
		}
		if p := f.pairs[i].exposed(); p != nil {
			list = append(list, p)
		}
	}
	return list
}

// aged tells of a certificate that is not valid now or not for long.
func (p Pair) aged(from, to time.Time) *problem.Problem {
	about := "The certificate " + p.Certificate
	now := time.Now()
	switch left := to.Sub(now); {
	case now.Before(from):
		return problem.New(problem.TLSCert, "%s is valid from %s on: clients do not accept it before. Check the clock of this computer.", about, day(from)).At(p.Where + ".cert")
	case left <= 0:
		return problem.New(problem.TLSCert, "%s ended on %s: clients do not accept it. Put a new one in its place.", about, day(to)).At(p.Where + ".cert")
	case left < endingSoon:
		return problem.New(problem.TLSCert, "%s ends on %s, %s. Put a new one in its place.", about, day(to), inDays(left)).At(p.Where + ".cert")
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func inDays(left time.Duration) string {
	switch days := int(left / (24 * time.Hour)); days {
	case 0:
		return "within a day"
	case 1:
		return "in a day"
	default:
		return fmt.Sprintf("in %d days", days)
	}
}

// exposed tells of a key that other users may read. Windows has no such bits.
func (p Pair) exposed() *problem.Problem {
	if runtime.GOOS == "windows" {
		return nil
	}
	info, err := os.Stat(p.Key)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return problem.New(problem.Forbidden, "The key %s is open to other users of this computer: its mode is %04o. Run chmod 600 %s.", p.Key, info.Mode().Perm(), quoted(p.Key)).At(p.Where + ".key")
}

func quoted(path string) string {
	if strings.ContainsAny(path, " '\"$&;()*?<>|\\") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
