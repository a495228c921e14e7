package flow

import "testing"

func TestForwardedCountsFromTheRight(t *testing.T) {
	h := Header{{"X-Forwarded-For", "198.51.100.7, 198.51.100.8:80"}, {"x-forwarded-for", "unknown"}, {"X-Forwarded-For", "[2001:db8::9]:443"}}
	for i, want := range []string{"", "2001:db8::9", "", "198.51.100.8", "198.51.100.7", ""} {
		got, ok := h.Forwarded(i)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%d is %v, %v; want %q", i, got, ok, want)
		}
	}
}
