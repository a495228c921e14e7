package cache

import (
	"strings"
	"time"
)

// httpDate reads a date in one of the three forms of RFC 9110 §5.6.7. Letters may be of either case,
// and nothing else is forgiven: a zone but GMT makes a date invalid (RFC 9111 §4.2). now tells the
// century of a year with two digits.
func httpDate(text string, now time.Time) (t time.Time, ok bool) {
	text = strings.Trim(text, " \t")
	day, rest, comma := strings.Cut(text, ", ")
	switch {
	case comma && len(day) == 3 && len(rest) == len("06 Nov 1994 08:49:37 GMT"):
		if !weekday(day) || rest[2] != ' ' || rest[6] != ' ' || rest[11] != ' ' {
			return t, false
		}
		return date(rest[0:2], rest[3:6], rest[7:11], rest[12:20], rest[20:])
	case comma && len(rest) == len("06-Nov-94 08:49:37 GMT"):
		if !longWeekday(day) || rest[2] != '-' || rest[6] != '-' || rest[9] != ' ' {
			return t, false
		}
		if t, ok = date(rest[0:2], rest[3:6], "20"+rest[7:9], rest[10:18], rest[18:]); !ok {
			return t, false
		}
		if t.After(now.AddDate(50, 0, 0)) { // more than 50 years ahead: the last century's
			t = t.AddDate(-100, 0, 0)
		}
		return t, true
	case !comma && len(text) == len("Sun Nov  6 08:49:37 1994"):
		if !weekday(text[0:3]) || text[3] != ' ' || text[7] != ' ' || text[10] != ' ' || text[19] != ' ' {
			return t, false
		}
		return date(strings.Replace(text[8:10], " ", "0", 1), text[4:7], text[20:], text[11:19], " GMT")
	}
	return t, false
}

func date(day, month, year, clock, zone string) (t time.Time, ok bool) {
	m := strings.Index(months, strings.ToLower(month))
	d, dayOK := digits(day)
	y, yearOK := digits(year)
	if m < 0 || m%3 != 0 || !dayOK || !yearOK || !strings.EqualFold(zone, " GMT") || clock[2] != ':' || clock[5] != ':' {
		return t, false
	}
	hour, hourOK := digits(clock[0:2])
	minute, minuteOK := digits(clock[3:5])
	second, secondOK := digits(clock[6:8])
	if !hourOK || !minuteOK || !secondOK || hour > 23 || minute > 59 || second > 60 || d < 1 || d > 31 {
		return t, false
	}
	t = time.Date(y, time.Month(m/3+1), d, hour, minute, second, 0, time.UTC)
	return t, t.Month() == time.Month(m/3+1)
}

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

func digits(text string) (n int, ok bool) {
	for i := range len(text) {
		if !isDigit(text[i]) {
			return 0, false
		}
		n = n*10 + int(text[i]-'0')
	}
	return n, true
}

var weekdays = [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// weekday tells whether text is the short name of a day; whether it is the right one is of no interest.
func weekday(text string) bool {
	for _, day := range weekdays {
		if strings.EqualFold(text, day[:3]) {
			return true
		}
	}
	return false
}

func longWeekday(text string) bool {
	for _, day := range weekdays {
		if strings.EqualFold(text, day) {
			return true
		}
	}
	return false
}

// formatDate is t as fields have it.
func formatDate(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
