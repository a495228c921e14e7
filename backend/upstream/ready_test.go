package upstream

import (
	"testing"

	"proxycache/backend/flow"
)

func TestABodyIsReadyWhereSomeOfItCameWithTheHead(t *testing.T) {
	for came, ready := range map[string]bool{
		"Content-Length: 5\r\n\r\n":                           false,
		"Content-Length: 5\r\n\r\nh":                          true,
		"Transfer-Encoding: chunked\r\n\r\n":                  false,
		"Transfer-Encoding: chunked\r\n\r\n5":                 false,
		"Transfer-Encoding: chunked\r\n\r\n5\r\n":             false,
		"Transfer-Encoding: chunked\r\n\r\n5\r\nh":            true,
		"Transfer-Encoding: chunked\r\n\r\n0\r\n":             false,
		"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n":         true,
		"Transfer-Encoding: chunked\r\n\r\nno chunk at all\n": true,
	} {
		origin := serve(t, func(p *peer) {
			p.head()
			p.say("HTTP/1.1 200 OK\r\n%s", came)
			p.rest()
		})
		r := send(t, openTo(t, "http://"+origin), ask(t, "GET", "/"))
		if flow.Ready(r.Body) != ready {
			t.Errorf("after %q the body is ready: %t", came, !ready)
		}
		_ = r.Body.Close()
	}
}
