package engine

import "proxycache/backend/flow"

// diff tells how to come from was to now, field by field: repeats of a name are compared in order.
// It returns nil at once when both are the same slice, which is the usual case.
func diff(was, now flow.Header) []flow.FieldEdit {
	if same(was, now) {
		return nil
	}
	var edits []flow.FieldEdit
	used := make([]bool, len(now))
	for i, f := range was {
		switch j := match(was, i, now); {
		case j < 0:
			edits = append(edits, flow.FieldEdit{Op: "remove", Name: f.Name, Was: f.Value})
		default:
			used[j] = true
			if now[j] != f {
				edits = append(edits, flow.FieldEdit{Op: "set", Name: now[j].Name, Was: f.Value, Now: now[j].Value})
			}
		}
	}
	for j, f := range now {
		if !used[j] {
			edits = append(edits, flow.FieldEdit{Op: "add", Name: f.Name, Now: f.Value})
		}
	}
	return edits
}

func same(a, b flow.Header) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// match finds the field of now that was[i] became: the n-th of its name in both.
func match(was flow.Header, i int, now flow.Header) int {
	n := 0
	for _, f := range was[:i] {
		if flow.EqualFold(f.Name, was[i].Name) {
			n++
		}
	}
	for j, f := range now {
		if !flow.EqualFold(f.Name, was[i].Name) {
			continue
		}
		if n == 0 {
			return j
		}
		n--
	}
	return -1
}
