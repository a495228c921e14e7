package problem

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestAProblemIsFoundInAChain(t *testing.T) {
	p := Wrap(Refused, io.EOF, "Connecting to %s: nothing listens there.", "a:1")
	wrapped := fmt.Errorf("while doing: %w", p)
	if Of(wrapped) != p || KindOf(wrapped) != Refused || !errors.Is(wrapped, io.EOF) {
		t.Errorf("found %+v in %v", Of(wrapped), wrapped)
	}
	if KindOf(io.EOF) != Internal || Of(nil) != nil || KindOf(nil) != "" {
		t.Error("an error that holds none is internal, and nil is none")
	}
}

func TestAMessageDoesNotActOnATerminal(t *testing.T) {
	for said, want := range map[string]string{
		"plain, ünïcode and\nlines\tstay": "plain, ünïcode and\nlines\tstay",
		"\x1b]0;owned\a\x1b[31mred":       `\x1b]0;owned\a\x1b[31mred`,
		"\u009b2J\x7f\r":                  `\u009b2J\x7f\r`,
	} {
		for _, p := range []*Problem{New(Invalid, "%s", said), Wrap(Invalid, io.EOF, "%s", said), Of(errors.New(said))} {
			if p.Message != want {
				t.Errorf("%q is told as %q, want %q", said, p.Message, want)
			}
		}
		if where := New(Invalid, "x").At(said).Where; where != want {
			t.Errorf("the place %q is told as %q, want %q", said, where, want)
		}
	}
}

func TestWhereAndLineAreTold(t *testing.T) {
	p := New(Invalid, "it is wrong")
	at := p.At("routes.a")
	at.Line, at.Column = 3, 7
	if at.Error() != "line 3, column 7: routes.a: it is wrong" || p.Error() != "it is wrong" {
		t.Errorf("%q and %q", at.Error(), p.Error())
	}
}

func TestAnEmptyListIsNoError(t *testing.T) {
	if err := (List{}).Err(); err != nil {
		t.Errorf("%v", err)
	}
	if err := (List{New(Invalid, "a"), New(Invalid, "b")}).Err(); err == nil || err.Error() != "a\nb" {
		t.Errorf("%v", err)
	}
}
