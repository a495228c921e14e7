package flow

// Edits tells how to come from was to now, field by field: repeats of a name are compared in order.
// It returns nil at once when both are the same slice, which is the usual case.
func Edits(was, now Header) []FieldEdit {
	if was.Is(now) {
		return nil
	}
	var edits []FieldEdit
	used := make([]bool, len(now))
	for i, f := range was {
		switch j := match(was, i, now); {
		case j < 0:
			edits = append(edits, FieldEdit{Op: "remove", Name: f.Name, Was: f.Value})
		default:
			used[j] = true
			if now[j] != f {
				edits = append(edits, FieldEdit{Op: "set", Name: now[j].Name, Was: f.Value, Now: now[j].Value})
			}
		}
	}
	for j, f := range now {
		if !used[j] {
			edits = append(edits, FieldEdit{Op: "add", Name: f.Name, Now: f.Value})
		}
	}
	return edits
}

// match finds the field of now that was[i] became: the n-th of its name in both.
func match(was Header, i int, now Header) int {
	n := 0
	for _, f := range was[:i] {
		if EqualFold(f.Name, was[i].Name) {
			n++
		}
	}
	for j, f := range now {
		if !EqualFold(f.Name, was[i].Name) {
			continue
		}
		if n == 0 {
			return j
		}
		n--
	}
	return -1
}
