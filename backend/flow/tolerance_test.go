package flow

import "testing"

func TestATolerance(t *testing.T) {
	var all Tolerance
	for i, name := range ToleranceNames() {
		one, ok := ToleranceOf(name)
		if !ok || one != 1<<i || one.String() != name || one.Faults() == "" {
			t.Errorf("%s is %d, %v, told as %q: %q", name, one, ok, one, one.Faults())
		}
		all |= one
	}
	if all != LineFeed|ObsFold|StatusLine|FieldBytes|SpaceBeforeColon|EqualLengths {
		t.Errorf("the names are those of %v", all)
	}
	if _, ok := ToleranceOf("line feed"); ok {
		t.Error("there is a tolerance that nobody named")
	}
	two := LineFeed | SpaceBeforeColon
	if two.String() != "line_feed, space_before_colon" || two.Setting() != `lenient = ["line_feed", "space_before_colon"]` {
		t.Errorf("two are told as %v and %s", two, two.Setting())
	}
	if none := Tolerance(0); none.String() != "" || none.Faults() != "" {
		t.Errorf("none is told as %q", none)
	}
}
