package journey

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"proxycache/backend/core"
)

// brokenOff ends the body of an answer that did not end.
const brokenOff = "(broken off)"

// holds tells whether a value is what a story wants.
func holds(want, got string) (bool, error) {
	pattern, isPattern := strings.CutPrefix(want, "~ ")
	if !isPattern {
		return got == want, nil
	}
	return regexp.MatchString(pattern, got)
}

// fits says what is wrong with got, which name calls; nil for nothing.
func fits(line int, name, want, got string) error {
	ok, err := holds(want, got)
	switch {
	case err != nil:
		return at(line, "%s: %v", name, err)
	case !ok:
		return at(line, "%s is %q, want %q", name, got, want)
	}
	return nil
}

// fieldFits holds the fields of a message to a line of a story.
func fieldFits(line int, text string, h http.Header) error {
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return at(line, "%q is no field: write NAME: VALUE", text)
	}
	value = strings.TrimSpace(value)
	got, there := h[http.CanonicalHeaderKey(name)]
	switch {
	case value == "(none)" && there:
		return at(line, "%s is %q, want none", name, strings.Join(got, ", "))
	case value == "(any)" && there, value == "(none)":
		return nil
	case !there:
		return at(line, "%s is not there, want %q", name, value)
	}
	return fits(line, name, value, strings.Join(got, ", "))
}

func (s *telling) want(one section) error {
	if len(s.last) == 0 {
		return stop{fmt.Errorf("there is no answer yet: write send before")}
	}
	var wrong []error
	for _, e := range s.last {
		a := e.answer
		if strings.HasPrefix(one.text, "1") {
			if len(e.interim) == 0 {
				wrong = append(wrong, at(1, "no interim answer came"))
				continue
			}
			a, e.interim = e.interim[0], e.interim[1:]
		}
		for _, err := range wantedOf(one.text, a) {
			if m, ok := errors.AsType[misfit](err); ok && len(s.last) > 1 {
				err = at(m.line, "of exchange %d, %s", e.number, m.text)
			}
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// wantedOf says what is wrong with an answer.
func wantedOf(want string, a clientAnswer) (wrong []error) {
	head, body, hasBody := strings.Cut(want, "\n\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	status := fmt.Sprint(a.status)
	if a.status == 0 {
		status = "(none)"
	}
	if err := fits(1, "the status", lines[0], status); err != nil {
		wrong = append(wrong, fmt.Errorf("%w\n%s", err, a.body))
	}
	for i, line := range lines[1:] {
		if err := fieldFits(i+2, line, a.header); err != nil {
			wrong = append(wrong, err)
		}
	}
	return append(wrong, bodyFits(len(lines)+2, body, hasBody, a)...)
}

func bodyFits(line int, want string, wanted bool, a clientAnswer) []error {
	got := strings.TrimSuffix(a.body, "\n")
	if a.broken {
		got = strings.TrimPrefix(got+"\n"+brokenOff, "\n")
	}
	want = strings.TrimSuffix(want, "\n")
	ok, err := holds(want, got)
	switch {
	case !wanted && a.broken:
		return []error{at(1, "the body did not end: %q came of it", a.body)}
	case !wanted, ok:
		return nil
	case err != nil:
		return []error{at(line, "the body: %v", err)}
	}
	return []error{at(line, "the body is\n%s\nwant\n%s", got, want)}
}

// compare holds an answer to a want.
func compare(t *testing.T, sent int, want string, answer *http.Response, body string) {
	t.Helper()
	for _, err := range wantedOf(want, clientAnswer{status: answer.StatusCode, header: answer.Header, body: body}) {
		t.Errorf("exchange %d: %v", sent, err)
	}
}

func (s *telling) trail(one section) error {
	x, err := s.recorded()
	if err != nil {
		return err
	}
	if got := trail(x); got != one.text {
		return at(firstOther(got, one.text), "the trail is\n%swant\n%s", got, one.text)
	}
	return nil
}

// firstOther is the first line in which two texts differ.
func firstOther(a, b string) int {
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || other[i] != line {
			return i + 1
		}
	}
	return 1
}

// trail is one line a step: the cell, and what it did.
func trail(x core.Exchange) string {
	var b strings.Builder
	for _, s := range x.Steps {
		fmt.Fprintf(&b, "%s %s", s.Cell, s.Verdict)
		if s.Why != "" {
			fmt.Fprintf(&b, ", %s", s.Why)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *telling) facts(one section) error {
	x, err := s.recorded()
	if err != nil {
		return err
	}
	var wrong []error
	for i, line := range one.lines() {
		if err := factFits(i+1, line, x.Steps); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// factFits holds the facts of a trail to a line "CELL NAME VALUE". A name may have several words, and a
// cell several steps.
func factFits(line int, text string, steps []core.Step) error {
	cell, rest, _ := strings.Cut(text, " ")
	var told []string
	found, named := false, false
	for _, step := range steps {
		if step.Cell != cell {
			continue
		}
		for _, f := range step.Facts {
			told = append(told, f.Name+" "+f.Value)
			want, ok := strings.CutPrefix(rest, f.Name+" ")
			if !ok {
				continue
			}
			named = true
			fit, err := holds(want, f.Value)
			if err != nil {
				return at(line, "%v", err)
			}
			found = found || fit || want == "(any)"
		}
	}
	if found || strings.HasSuffix(rest, " (none)") && !named {
		return nil
	}
	return at(line, "%s has no such fact; it has\n%s", cell, strings.Join(told, "\n"))
}

func (s *telling) asked(one section) error {
	text := strings.TrimSuffix(one.text, "\n")
	var wanted []string
	if text == "" {
		return stop{fmt.Errorf("write METHOD /target of each request, or nothing")}
	}
	if text != "nothing" {
		wanted = strings.Split(text, "\n\n")
	}
	heard := s.words.origin.told(len(wanted))
	if len(heard) != len(wanted) {
		return at(1, "%d requests reached ORIGIN, want %d:\n%s", len(heard), len(wanted), linesOf(heard))
	}
	var wrong []error
	line := 1
	for i, want := range wanted {
		lines := strings.Split(want, "\n")
		if got := heard[i].Method + " " + heard[i].RequestURI; got != lines[0] {
			wrong = append(wrong, at(line, "request %d is %s, want %s", i+1, got, lines[0]))
		}
		h := heard[i].Header.Clone()
		h["Host"] = []string{heard[i].Host}
		for j, field := range lines[1:] {
			if err := fieldFits(line+j+1, field, h); err != nil {
				wrong = append(wrong, err)
			}
		}
		line += len(lines) + 1
	}
	return errors.Join(wrong...)
}

func linesOf(requests []*http.Request) string {
	var b strings.Builder
	for _, r := range requests {
		fmt.Fprintf(&b, "%s %s\n", r.Method, r.RequestURI)
	}
	return b.String()
}
