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
