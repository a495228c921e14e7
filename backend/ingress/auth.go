package ingress

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// login is what a listener wants to hear from who uses it as a proxy: the digest of "name:password",
// so that a comparison takes the same time whatever is offered.
type login struct {
	wanted bool
	digest [sha256.Size]byte
}

func newLogin(username, password string) login {
	if username == "" && password == "" {
		return login{}
	}
	return login{wanted: true, digest: sha256.Sum256([]byte(username + ":" + password))}
}

// admits tells whether this name and password are the right ones. A name has no colon.
func (l *login) admits(username, password string) bool {
	offered := sha256.Sum256([]byte(username + ":" + password))
	return !strings.Contains(username, ":") && subtle.ConstantTimeCompare(offered[:], l.digest[:]) == 1
}

// admitsRequest tells whether a request for the proxy shows what is wanted (RFC 7617, RFC 9110 §11.7.2).
func (l *login) admitsRequest(h flow.Header) bool {
	if !l.wanted {
		return true
	}
	scheme, coded, _ := strings.Cut(h.Get("Proxy-Authorization"), " ")
	if !flow.EqualFold(scheme, "Basic") {
		return false
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimLeft(coded, " "))
	if err != nil {
		return false
	}
	username, password, ok := strings.Cut(string(plain), ":")
	return ok && l.admits(username, password)
}

// stranger is the refusal of a CONNECT that would be taken, but does not show what is wanted; else nil.
func (c *client) stranger(head *http1.Head) *refusal {
	accept := c.bound.ways.Load()
	if c.via != "" || !accept.connect || accept.login.admitsRequest(head.Header) {
		return nil
	}
	return &refusal{407, notAdmitted}
}

const notAdmitted = "This proxy wants a name and a password, and these are missing or wrong. They stand at its listener in the configuration; give them to your program with the proxy's address, as in http://name:password@host:port."

// challenge answers 407 (RFC 9110 §15.5.8), and tells whether the connection may be used again: it may
// where nothing of the request is left on it, so that the client asks again on the same one.
func (c *client) challenge(head *http1.Head, r *refusal) (again bool) {
	again = head.Length == 0 && !head.Close && !c.lastAnswer()
	if head.Method == "CONNECT" && c.unread() { // meant for the target, and no request
		again = false
	}
	h, body := r.page(head.Header.Joined("Accept"), r.kind())
	h.Add("Proxy-Authenticate", `Basic realm="Proxycache"`)
	h.Add("Content-Length", strconv.Itoa(len(body)))
	if head.Method == "HEAD" {
		body = nil
	}
	if !again {
		if c.say(c.lastWord(r, h, body), body) {
			c.linger()
		}
		return false
	}
	c.server.options.Log.Debug("refused a request", "client", c.facts.Remote, "status", r.status, "why", r.why)
	h.Add("Date", c.server.date())
	if head.Proto == "HTTP/1.0" {
		h.Add("Connection", "keep-alive")
	}
	c.in.phase = inBody // what follows is another request
	_, err := c.out.Write(append(http1.AppendResponse(nil, "HTTP/1.1", r.status, "", h), body...))
	return err == nil
}
