package core

import (
	"strings"
	"testing"

	"proxycache/backend/ingress"
)

func TestWhatOthersOnTheNetworkCanDo(t *testing.T) {
	for _, c := range []struct {
		accept   []string
		password string
		says     string // "" where nothing is to be warned of
	}{
		{[]string{"reverse"}, "", "your routes"},
		{[]string{"forward"}, "", "no password"},
		{[]string{"socks5"}, "", "no password"},
		{[]string{"reverse", "connect"}, "", "no password"},
		{[]string{"reverse", "connect"}, "word", "your routes"},
		{[]string{"forward", "connect", "socks5"}, "word", ""},
	} {
		got := exposed(ingress.Listener{Address: "0.0.0.0:8080", Accept: c.accept, Password: c.password})
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%v with the password %q: %q", c.accept, c.password, got)
		}
	}
}
