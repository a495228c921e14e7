package filter

import (
	"testing"

	"proxycache/backend/flow"
)

func TestAFoldedFieldIsOneValue(t *testing.T) {
	r := &flow.Record{RequestHead: []byte("GET / HTTP/1.1\nHost: a\nX-Note: one\n\t two\nX-Late:\r\n late\r\n\r\n")}
	for text, want := range map[string]bool{
		`request.header.x-note = "one two"`: true,
		`request.header.x-late = late`:      true,
		`request.header.host = a`:           true,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Compile(e)
		if err != nil {
			t.Fatal(err)
		}
		if m.MatchRecord(r) != want {
			t.Errorf("%s is %v", text, !want)
		}
	}
}
