package filter

import (
	"strconv"
	"strings"

	"proxycache/backend/flow"
)

// view looks at an exchange that runs, or at a record of one.
type view struct {
	exchange *flow.Exchange
	record   *flow.Record
}

func (v view) text(f Field) string {
	if v.exchange != nil {
		return v.ofExchange(f)
	}
	return v.ofRecord(f)
}

func (v view) ofExchange(f Field) string {
	x, r := v.exchange, v.exchange.Request
	switch f {
	case Method:
		return r.Method
	case Scheme:
		return r.Scheme
	case Host:
		return r.Host()
	case Path:
		return r.Path()
	case Query:
		return r.Query()
	case URL:
		return r.URL()
	case Door:
		return string(x.Door)
	case Route:
		return x.Route
	case Client:
		return x.Client.String()
	case Mocked:
		return strconv.FormatBool(x.Mocked)
	case State:
		return string(flow.Pending)
	}
	return ""
}

func (v view) ofRecord(f Field) string {
	r := v.record
	switch f {
	case Method:
		return r.Method
	case Scheme:
		return r.Scheme
	case Host:
		host, _ := flow.SplitAuthority(r.Authority)
		return strings.ToLower(host)
	case Path:
		path, _, _ := strings.Cut(r.Target, "?")
		return path
	case Query:
		_, query, _ := strings.Cut(r.Target, "?")
		return query
	case URL:
		return r.Scheme + "://" + r.Authority + r.Target
	case Type:
		return flow.ShortType(r)
	case Door:
		return string(r.Door)
	case Route:
		return r.Route
	case Client:
		return r.Client
	case State:
		return string(r.State)
	case Mocked:
		return strconv.FormatBool(r.Mocked)
	}
	return strconv.FormatFloat(v.number(f), 'f', -1, 64)
}

func (v view) number(f Field) float64 {
	if v.record == nil {
		return 0
	}
	r := v.record
	switch f {
	case Status:
		return float64(r.Status)
	case Duration:
		return float64(r.Timing.Done.Microseconds()) / 1000
	case RequestSize:
		return float64(r.RequestBody.Size)
	case Size:
		return float64(r.ResponseBody.Size)
	}
	return 0
}

func (v view) header(f Field) flow.Header {
	if v.exchange != nil {
		if f == RequestHeader {
			return v.exchange.Request.Header
		}
		return nil
	}
	if f == RequestHeader {
		return headOf(v.record.RequestHead)
	}
	return headOf(v.record.ResponseHead)
}

// headOf reads the fields of a kept head.
func headOf(head []byte) flow.Header {
	var h flow.Header
	first := true
	for line := range strings.Lines(string(head)) {
		name, value, ok := strings.Cut(line, ":")
		switch n := len(h); {
		case n > 0 && line != strings.TrimLeft(line, " \t"): // folded (RFC 9112 §5.2)
			h[n-1].Value = strings.TrimSpace(h[n-1].Value + " " + strings.TrimSpace(line))
		case ok && !first:
			h.Add(name, strings.TrimSpace(value))
		}
		first = false
	}
	return h
}
