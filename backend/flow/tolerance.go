package flow

import (
	"slices"
	"strconv"
	"strings"
)

// Tolerance is a set of faults in the form of an HTTP/1 head that a route may let pass. Such a head
// is passed on as the grammar wants it, so nobody behind the proxy has to guess what it means. What
// says where a message ends, or where it goes, is never among them.
type Tolerance uint8

const (
	LineFeed         Tolerance = 1 << iota // a line ends with a line feed alone
	ObsFold                                // a value goes on in the next line
	StatusLine                             // the status line ends with its code; responses only
	FieldBytes                             // control characters in a value, not NUL or CR; responses only
	SpaceBeforeColon                       // whitespace behind a field name; responses only
	EqualLengths                           // the same Content-Length several times; responses only
)

// RequestTolerances are those that a request may need; a response may need each.
const RequestTolerances = LineFeed | ObsFold

// tolerances are told in the order of their bits: the name in a configuration, and the fault in words.
var tolerances = [...]struct{ name, fault string }{
	{"line_feed", "a line ends with a line feed alone, CR LF is needed (RFC 9112 §2.2)"},
	{"obs_fold", "a field is folded over two lines, which is obsolete (RFC 9112 §5.2)"},
	{"status_line", "no space follows the code in the status line (RFC 9112 §4)"},
	{"field_bytes", "the value of a field holds a control character (RFC 9110 §5.5)"},
	{"space_before_colon", "there is whitespace between a field name and its colon (RFC 9112 §5.1)"},
	{"equal_lengths", "the message has the same Content-Length more than once (RFC 9110 §8.6)"},
}

// ToleranceNames are the names that a configuration uses.
func ToleranceNames() []string {
	var all []string
	for _, t := range tolerances {
		all = append(all, t.name)
	}
	return all
}

// ToleranceOf is the tolerance called name; ok is false where there is none.
func ToleranceOf(name string) (t Tolerance, ok bool) {
	i := slices.Index(ToleranceNames(), name)
	if i < 0 {
		return 0, false
	}
	return 1 << i, true
}

// String lists the names: "line_feed, obs_fold".
func (t Tolerance) String() string {
	return t.join(", ", func(i int) string { return tolerances[i].name })
}

// Setting is t as a route's configuration spells it: `lenient = ["obs_fold"]`.
func (t Tolerance) Setting() string {
	return "lenient = [" + t.join(", ", func(i int) string { return strconv.Quote(tolerances[i].name) }) + "]"
}

// Faults says in words what is wrong with a head that needs t.
func (t Tolerance) Faults() string {
	return t.join("; ", func(i int) string { return tolerances[i].fault })
}

func (t Tolerance) join(between string, word func(i int) string) string {
	var words []string
	for i := range tolerances {
		if t&(1<<i) != 0 {
			words = append(words, word(i))
		}
	}
	return strings.Join(words, between)
}
