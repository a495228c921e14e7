package cache

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
)

// seconds is d in whole seconds, rounded down.
func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

func appendSeconds(b []byte, d time.Duration) []byte {
	return strconv.AppendInt(b, int64(d/time.Second), 10)
}

// told is what Cache-Status says about a response (RFC 9211 §2).
type told struct {
	hit       bool
	fwd       string // "uri-miss", "vary-miss", "stale", "request", "method", "bypass", "partial"
	fwdStatus int    // of the server, where it is not the response's
	ttl       time.Duration
	timed     bool // ttl is known
	stored    bool
	collapsed bool
	detail    string // a token, a string in quotes, or nothing
}

// status is the member that c adds to Cache-Status.
func (c *cache) status(t told) string {
	var room [128]byte
	b := append(room[:0], c.statusName...)
	if t.hit {
		b = append(b, "; hit"...)
	} else {
		b = append(append(b, "; fwd="...), t.fwd...)
	}
	if t.fwdStatus != 0 {
		b = strconv.AppendInt(append(b, "; fwd-status="...), int64(t.fwdStatus), 10)
	}
	if t.timed {
		b = appendSeconds(append(b, "; ttl="...), t.ttl)
	}
	if t.stored {
		b = append(b, "; stored"...)
	}
	if t.collapsed {
		b = append(b, "; collapsed"...)
	}
	if t.detail != "" {
		b = append(append(b, "; detail="...), t.detail...)
	}
	return string(b)
}

// detail is why as a string of RFC 9651 §3.3.3.
func detail(why string) string {
	return `"` + strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, why) + `"`
}

// tell adds the field to a response that goes on; its list of fields may be somebody else's, too.
func (c *cache) tell(r *flow.Response, t told) {
	if c.statusName != "" && r.Upgraded == nil && r.Status != 101 {
		r.Header = append(slices.Clip(r.Header), flow.Field{Name: "Cache-Status", Value: c.status(t)})
	}
}
