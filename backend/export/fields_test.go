package export

import (
	"slices"
	"testing"

	"proxycache/backend/flow"
)

func TestAFoldedFieldIsOneField(t *testing.T) {
	got := fieldsOf([]byte("GET / HTTP/1.1\nHost: a\nX-Note: one\n\t two\nX-Late:\r\n late\r\n\r\n"))
	want := flow.Header{{Name: "Host", Value: "a"}, {Name: "X-Note", Value: "one two"}, {Name: "X-Late", Value: "late"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
