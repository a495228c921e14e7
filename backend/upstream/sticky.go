package upstream

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"proxycache/backend/flow"
)

// sticky makes and knows the cookies that bind clients to targets.
type sticky struct {
	cookie string
	ttl    time.Duration
	key    []byte
	made   bool // key is no secret of the settings
}

func newSticky(s Sticky, before *Pool) *sticky {
	out := &sticky{cookie: s.Cookie, ttl: time.Duration(s.TTL), key: []byte(s.Secret)}
	switch {
	case s.Secret != "":
	case before != nil && before.balance.sticky != nil && before.balance.sticky.made:
		out.key, out.made = before.balance.sticky.key, true
	default:
		out.key, out.made = make([]byte, sha256.Size), true
		_, _ = rand.Read(out.key) // crypto/rand.Read never fails
	}
	return out
}

// token is what the cookie of a target holds: it does not tell the address, and nobody else can make one.
func (s *sticky) token(address string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(address))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// bound is the target that the cookie of x names and that can be used; nil where there is none.
func (b *balance) bound(r *roster, x *flow.Exchange, tried []*target) *target {
	if b.sticky == nil || len(r.all) == 1 {
		return nil
	}
	value := cookieOf(x.Request.Header, b.sticky.cookie)
	if value == "" {
		return nil
	}
	var found *target
	for _, t := range r.all { // all of them: how long it takes does not tell which
		if subtle.ConstantTimeCompare([]byte(value), []byte(t.token)) == 1 {
			found = t
		}
	}
	if found == nil || found.duty == off || found.unfit.Load() && !r.panics || found.resting() ||
		slices.Contains(tried, found) || slices.Contains(x.Avoid, found.shown) || barred(x, found.shown) != nil {
		return nil
	}
	if found.backup && b.primaryTakes(r, x, tried) {
		return nil
	}
	return found
}

// primaryTakes tells that one that is no backup can take x, and nothing speaks against it.
func (b *balance) primaryTakes(r *roster, x *flow.Exchange, tried []*target) bool {
	var space [16]*target
	among := r.among(space[:0], x, tried)
	return len(among) > 0 && classOf(x, among[0]) == 0
}

// bind tells the client to come back to t, unless it knows. That is for it alone: what keeps the
// response for others must not keep this.
func (s *sticky) bind(x *flow.Exchange, t *target, r *flow.Response) {
	if r.Upgraded != nil || cookieOf(x.Request.Header, s.cookie) == t.token {
		return
	}
	value := s.cookie + "=" + t.token + "; Path=/"
	if s.ttl > 0 {
		value += "; Max-Age=" + strconv.FormatInt(int64(s.ttl/time.Second), 10)
	}
	value += "; HttpOnly; SameSite=Lax"
	if x.ClientConn.TLS != nil || x.Request.Scheme == "https" {
		value += "; Secure"
	}
	x.Private.Add("Set-Cookie", value)
	x.Note("sticky", "the client is bound to "+t.shown)
}
