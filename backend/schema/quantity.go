package schema

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// String is the shortest form: "1m" rather than "1m0s", "30d" for whole days.
func (d Duration) String() string {
	t := time.Duration(d)
	if t != 0 && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads, with days ("1d", "1d12h") before the hours.
func (d *Duration) UnmarshalText(text []byte) error {
	t, err := parseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	*d = Duration(t)
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration: write one as 250ms, 1.5s, 1m or 1d", s)
	rest, negative := strings.CutPrefix(s, "-")
	days, clock, hasDays := strings.Cut(rest, "d")
	if !hasDays {
		t, err := time.ParseDuration(s)
		if err != nil {
			return 0, bad
		}
		return t, nil
	}
	asHours, err := time.ParseDuration(days + "h") // scaled below: 1.5d is 24 times 1.5h
	if err != nil || strings.Trim(days, "0123456789.") != "" || asHours > math.MaxInt64/24 {
		return 0, bad
	}
	total := asHours * 24
	if clock != "" {
		t, err := time.ParseDuration(clock)
		if err != nil || strings.ContainsAny(clock[:1], "+-") || t > math.MaxInt64-total {
			return 0, bad
		}
		total += t
	}
	if negative {
		total = -total
	}
	return total, nil
}

type unit struct {
	name  string
	bytes int64
}

// sizeUnits are in the order in which String prefers them among equally short texts.
var sizeUnits = [...]unit{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

// String is the shortest exact form: "64KiB", "10MB", "513".
func (s Size) String() string {
	plain := strconv.FormatInt(int64(s), 10)
	if s <= 0 {
		return plain
	}
	best := ""
	for _, u := range sizeUnits {
		if u.bytes == 1 || int64(s)%u.bytes != 0 {
			continue
		}
		if t := strconv.FormatInt(int64(s)/u.bytes, 10) + u.name; best == "" || len(t) < len(best) {
			best = t
		}
	}
	if best == "" || len(best) > len(plain) {
		return plain
	}
	return best
}

// MarshalText writes String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a number of bytes with an optional unit: B, kB, MB, GB, TB (powers of 1000) or
// KiB, MiB, GiB, TiB (powers of 1024), in any case and with spaces between. Fractions are rounded
// down to whole bytes.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := parseSize(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	*s = Size(n)
	return nil
}

func parseSize(s string) (int64, error) {
	bad := fmt.Errorf("%q is no size: write bytes or a number with a unit, as 512, 64KiB or 10MB", s)
	end := strings.LastIndexAny(s, "0123456789.") + 1
	number, name := s[:end], strings.TrimSpace(s[end:])
	factor := int64(0)
	for _, u := range sizeUnits {
		if strings.EqualFold(name, u.name) || name == "" && u.bytes == 1 {
			factor = u.bytes
		}
	}
	if factor == 0 || strings.Trim(number, "0123456789.") != "" {
		return 0, bad
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		if whole > math.MaxInt64/factor {
			return 0, fmt.Errorf("%q is too large: at most %d bytes can be counted", s, int64(math.MaxInt64))
		}
		return whole * factor, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f*float64(factor) >= math.MaxInt64 {
		return 0, bad
	}
	return int64(f * float64(factor)), nil
}
