package journey

import (
	"strings"
	"testing"
)

func TestWhatWasToleratedIsTold(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, `
[upstreams.origin]
targets = [{ url = "http://`+w.address+`" }]

[[routes]]
name = "old"
when = 'path = "/old"'
to = "origin"
lenient = ["line_feed", "obs_fold"]

[[routes]]
name = "new"
to = "origin"
`)
	send(t, h, "GET /old\nHost: a.test\nX-Note: one\n\t two")
	x := h.finished("", 1)
	var told []string
	for _, s := range x.Steps {
		for _, f := range s.Facts {
			if f.Name == "tolerated" {
				told = append(told, f.Value)
			}
		}
	}
	if strings.Join(told, "; ") != "obs_fold in the request" {
		t.Errorf("the X-ray tells %q", told)
	}
	var note string
	for _, f := range x.Request.Fields {
		if f.Name == "X-Note" {
			note = f.Value
		}
	}
	if note != "one two" || h.rows(`request.header.x-note = "one two"`).Matching != 1 {
		t.Errorf("the field reads %q", note)
	}
	if all := w.all(); len(all) != 1 || !strings.Contains(strings.Join(all[0].fields, "\n"), "X-Note: one two") {
		t.Errorf("the origin heard %q", all)
	}
	send(t, h, "GET /new\nHost: a.test\nX-Note: one\n\t two")
	x = h.finished("", 2)
	if x.Problem == nil || !strings.Contains(x.Problem.Message, `lenient = ["obs_fold"]`) || x.Row.Status != 400 || x.Row.Route != "new" {
		t.Errorf("refused with %+v: %+v", x.Problem, x.Row)
	}
}
