package schema

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurationsAreReadAndWrittenAsPeopleDo(t *testing.T) {
	for text, want := range map[string]struct {
		value time.Duration
		back  string
	}{
		"250ms": {250 * time.Millisecond, "250ms"}, "1m": {time.Minute, "1m"}, "60s": {time.Minute, "1m"},
		"1h30m": {90 * time.Minute, "1h30m"}, "1h": {time.Hour, "1h"}, "1h0m5s": {time.Hour + 5*time.Second, "1h0m5s"},
		"1d": {24 * time.Hour, "1d"}, "1.5d": {36 * time.Hour, "36h"}, "1d12h": {36 * time.Hour, "36h"},
		"48h": {48 * time.Hour, "2d"}, "-1d": {-24 * time.Hour, "-1d"}, "0": {0, "0s"}, " 10s ": {10 * time.Second, "10s"},
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want.value || d.String() != want.back {
			t.Errorf("%q is %v %q, %v; want %v %q", text, time.Duration(d), d, err, want.value, want.back)
		}
	}
	for _, text := range []string{"", "1", "d", "1d-2h", "1dd", "-d", "soon", "1e3h", "+-1d", "99999999999d", "106751d99999h"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, d)
		}
	}
}

func TestSizesAreReadAndWrittenAsPeopleDo(t *testing.T) {
	for text, want := range map[string]struct {
		value Size
		back  string
	}{
		"512": {512, "512"}, "64KiB": {64 << 10, "64KiB"}, "10MB": {10_000_000, "10MB"}, "1 GiB": {1 << 30, "1GiB"},
		"1.5 KiB": {1536, "1536"}, "0": {0, "0"}, "2048B": {2048, "2KiB"}, "1tb": {1e12, "1TB"}, "513": {513, "513"},
		"8388607TiB": {8388607 << 40, "8388607TiB"}, "8000000": {8_000_000, "8MB"},
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want.value || s.String() != want.back {
			t.Errorf("%q is %d %q, %v; want %d %q", text, int64(s), s, err, want.value, want.back)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1 parsec", "1..5kB", "9e9", "99999999TiB", "inf", "0x10", "1 2"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, int64(s))
		}
	}
}

func TestEveryQuantityIsReadBackAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64().Draw(t, "duration"))
		var d2 Duration
		if err := d2.UnmarshalText([]byte(d.String())); err != nil || d2 != d {
			t.Fatalf("%d was written %q and read %d, %v", d, d, d2, err)
		}
		s := Size(rapid.Int64Min(0).Draw(t, "size"))
		var s2 Size
		if err := s2.UnmarshalText([]byte(s.String())); err != nil || s2 != s {
			t.Fatalf("%d was written %q and read %d, %v", s, s, s2, err)
		}
	})
}

func FuzzQuantities(f *testing.F) {
	for _, seed := range []string{"1d", "1.5d2h", "64KiB", "1 GiB", "9223372036854775807", "-1h", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, d2 Duration
		if d.UnmarshalText([]byte(text)) == nil && (d2.UnmarshalText([]byte(d.String())) != nil || d2 != d) {
			t.Fatalf("%q became %q became %q", text, d, d2)
		}
		var s, s2 Size
		if s.UnmarshalText([]byte(text)) == nil && (s2.UnmarshalText([]byte(s.String())) != nil || s2 != s) {
			t.Fatalf("%q became %q became %q", text, s, s2)
		}
	})
}
