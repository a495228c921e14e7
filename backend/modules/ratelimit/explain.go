package ratelimit

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/schema"
)

func (s *Settings) Explain() string {
	limits := s.all()
	told := make([]string, len(limits))
	for i := range limits {
		told[i] = limits[i].explain()
	}
	out := strings.Join(told, "; and ")
	if s.DryRun {
		out += ", only noted"
	} else {
		out += ", then " + strconv.Itoa(s.Status)
	}
	if s.Store != inMemory {
		out += ", counted in Redis" + hostOf(s.Store)
	}
	return out
}

// explain is "100 requests a minute per client IP".
func (l *Limit) explain() string {
	whose := perKey(l.Key)
	switch l.Algorithm {
	case concurrency:
		return fmt.Sprintf("%s at once %s", requests(l.Requests), whose)
	case tokenBucket:
		return fmt.Sprintf("%s %s on average and %d at once %s", requests(l.Average), each(l.Period), l.quota(), whose)
	case leakyBucket:
		out := fmt.Sprintf("%s %s one after another %s", requests(l.Average), each(l.Period), whose)
		switch {
		case l.Burst > 0 && l.NoDelay:
			out += fmt.Sprintf(" and %d more at once", l.Burst)
		case l.Burst > 0:
			out += fmt.Sprintf(" while up to %d wait", l.Burst)
		}
		return out
	case fixedWindow:
		return fmt.Sprintf("%s in each window of %s %s", requests(l.Requests), l.Window, whose)
	case slidingLog:
		return fmt.Sprintf("%s in any %s %s", requests(l.Requests), l.Window, whose)
	}
	return fmt.Sprintf("%s %s %s", requests(l.Requests), each(l.Window), whose)
}

func requests(n int64) string {
	if n == 1 {
		return "1 request"
	}
	return strconv.FormatInt(n, 10) + " requests"
}

func each(d schema.Duration) string {
	switch time.Duration(d) {
	case time.Second:
		return "a second"
	case time.Minute:
		return "a minute"
	case time.Hour:
		return "an hour"
	case 24 * time.Hour:
		return "a day"
	}
	return "in " + d.String()
}

// perKey says a key; the words a sentence must not hold are shortened away.
func perKey(key string) string {
	kind, name, _ := strings.Cut(key, ":")
	switch {
	case strings.Contains(key, "${"):
		return "per " + strings.Join(strings.Fields(strings.ReplaceAll(key, ". ", " ")), " ")
	case key == "client_ip":
		return "per client IP"
	case key == "all":
		return "for all together"
	case kind == "header" || kind == "cookie":
		return "per " + kind + " " + name
	}
	return "per " + key
}

// hostOf is " at host:port" of an address, which may hold a password.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return " at " + u.Host
}
