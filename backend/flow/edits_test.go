package flow

import (
	"fmt"
	"testing"
)

func TestEdits(t *testing.T) {
	was := Header{{Name: "A", Value: "1"}, {Name: "B", Value: "1"}, {Name: "b", Value: "2"}}
	now := Header{{Name: "B", Value: "1"}, {Name: "B", Value: "3"}, {Name: "C", Value: "4"}}
	got := fmt.Sprint(Edits(was, now))
	if want := "[{remove A 1 } {set B 2 3} {add C  4}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if Edits(was, was) != nil {
		t.Error("a header differs from itself")
	}
}
