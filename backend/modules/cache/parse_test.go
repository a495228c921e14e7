package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
)

func TestADictionaryIsParsed(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "",
		"a":                  "a:5=1",
		"a=1":                "a:0=1",
		"a=1, b=2":           "a:0=1 b:0=2",
		"a=1 , \t b=2":       "a:0=1 b:0=2",
		"a=1, a=2":           "a:0=2",
		"a=1, b, a=2":        "b:5=1 a:0=2",
		"a=-1":               "a:0=-1",
		"a=1.5":              "a:1=1.5",
		`a="x\"y\\z"`:        `a:2=x"y\z`,
		"a=tok/en:*":         "a:3=tok/en:*",
		"a=*x":               "a:3=*x",
		"a=:aGk=:":           "a:4=aGk=",
		"a=?1, b=?0":         "a:5=1 b:5=0",
		"a=@1659578233":      "a:6=1659578233",
		`a=%"gr%c3%bcn"`:     "a:7=grün",
		"a=(1 \"b\" c);d=1":  "a:8=",
		"a=()":               "a:8=",
		"a=1;b;c=2; d=\"x\"": "a:0=1",
		"a;b=?0":             "a:5=1",
		"*a-b_c.d=1":         "*a-b_c.d:0=1",
		"  a=1  ":            "a:0=1",
		"A=1":                "fault",
		"a=1,":               "fault",
		"a=1 b=2":            "fault",
		",a":                 "fault",
		"a=":                 "fault",
		"a= 1":               "fault",
		"a =1":               "fault",
		"a=1.":               "fault",
		"a=1.2345":           "fault",
		"a=1234567890123456": "fault",
		"a=1234567890123.1":  "fault",
		"a=-":                "fault",
		`a="x`:               "fault",
		`a="x\y"`:            "fault",
		"a=\"x\x7f\"":        "fault",
		"a=?2":               "fault",
		"a=:!:":              "fault",
		"a=@1.5":             "fault",
		`a=%"%C3"`:           "fault",
		`a=%"%c3"`:           "fault",
		"a=(1 2":             "fault",
		"a=(1,2)":            "fault",
		"a=1;B":              "fault",
		"a=1, &&&&":          "fault",
	} {
		members, ok := parseDictionary(text)
		var got []string
		for _, m := range members {
			got = append(got, fmt.Sprintf("%s:%d=%s", m.key, m.value.kind, m.value.text))
		}
		said := strings.Join(got, " ")
		if !ok {
			said = "fault"
		}
		if said != want {
			t.Errorf("%q is %q, want %q", text, said, want)
		}
	}
}

func TestDatesAreRead(t *testing.T) {
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	want := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for _, text := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", " sun, 06 nov 1994 08:49:37 gmt "} {
		if got, ok := httpDate(text, now); !ok || !got.Equal(want) {
			t.Errorf("%q is %v, %v", text, got, ok)
		}
	}
	if got, _ := httpDate("Sunday, 06-Nov-76 08:49:37 GMT", now); got.Year() != 2076 {
		t.Errorf("50 years ahead is %v", got)
	}
	if got, _ := httpDate("Sunday, 06-Dec-76 08:49:37 GMT", now); got.Year() != 1976 {
		t.Errorf("more than 50 years ahead is %v", got)
	}
	for _, text := range []string{"", "0", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "Foo, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 ovD 1994 08:49:37 GMT", "Sun Nov 06 08:49:37 1994 GMT"} {
		if got, ok := httpDate(text, now); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestASitemapIsRead(t *testing.T) {
	pages, maps, err := parseSitemap(strings.NewReader(`<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
		<url><loc> http://a/1 </loc><lastmod>2020</lastmod></url><url><loc>http://a/2?x=1&amp;y=2</loc></url></urlset>`))
	if err != nil || len(maps) != 0 || fmt.Sprint(pages) != "[http://a/1 http://a/2?x=1&y=2]" {
		t.Errorf("%v, %v, %v", pages, maps, err)
	}
	_, maps, err = parseSitemap(strings.NewReader(`<sitemapindex><sitemap><loc>http://a/s.xml</loc></sitemap></sitemapindex>`))
	if err != nil || fmt.Sprint(maps) != "[http://a/s.xml]" {
		t.Errorf("%v, %v", maps, err)
	}
	if _, _, err = parseSitemap(strings.NewReader(`<urlset><url><loc>http://a`)); err == nil {
		t.Error("half of a sitemap is one")
	}
}

func FuzzCacheControl(f *testing.F) {
	for _, s := range []string{"", "max-age=1", `no-cache="a, b", max-age="3"`, "x=\"\\", "max-stale, min-fresh=2, only-if-cached", ",,,", "a=\"b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := responseControl(flow.Header{{Name: "Cache-Control", Value: text}})
		for _, d := range []delta{c.maxAge, c.sMaxAge, c.staleWhile, c.staleIfError} {
			if d < invalid || d > maxDelta {
				t.Errorf("%q has a directive of %d seconds", text, d)
			}
		}
		more := responseControl(flow.Header{{Name: "Cache-Control", Value: text}, {Name: "Cache-Control", Value: "no-store, private"}})
		if !more.noStore || !more.private {
			t.Errorf("%q hides a line behind it", text)
		}
		w := noWish()
		w.read(text)
		if w.maxAge > maxDelta || w.minFresh > maxDelta || w.maxStale > maxDelta {
			t.Errorf("%q asks for %v", text, w)
		}
	})
}

func FuzzDictionary(f *testing.F) {
	for _, s := range []string{"", "a=1, b;c=?1", `a="x", b=:aGk=:`, `a=%"%c3%bc"`, "a=(1 2);x, b=@1", "max-age=10, &&&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, ok := parseDictionary(text)
		if !ok {
			return
		}
		seen := map[string]bool{}
		for _, m := range members {
			if m.key == "" || seen[m.key] {
				t.Errorf("%q has the key %q twice or empty", text, m.key)
			}
			seen[m.key] = true
		}
		if len(members) > 0 { // two that stand make one that stands
			if both, ok := parseDictionary(text + ", " + text); !ok || len(both) != len(members) {
				t.Errorf("%q twice has %d members, %v", text, len(both), ok)
			}
		}
	})
}

func FuzzVary(f *testing.F) {
	for _, s := range []string{"", "*", "Foo, Bar", ", *", "foo,foo", "a b", "Accept-Language"} {
		f.Add(s, "1, 2", "1,2")
	}
	f.Fuzz(func(t *testing.T, vary, one, two string) {
		names, every := varyOf(flow.Header{{Name: "Vary", Value: vary}})
		if strings.Contains(vary, "*") && !every {
			for name := range strings.SplitSeq(vary, ",") {
				if strings.Trim(name, " \t") == "*" {
					t.Errorf("%q matches others", vary)
				}
			}
		}
		for i, name := range names {
			if name == "" || name != strings.ToLower(name) || i > 0 && names[i-1] >= name {
				t.Errorf("%q names %q", vary, names)
			}
		}
		for _, name := range []string{"foo", "accept-language"} {
			a := string(appendNormal(nil, name, flow.Header{{Name: name, Value: one}, {Name: name, Value: two}}))
			if again := string(appendNormal(nil, name, flow.Header{{Name: name, Value: a}})); again != a && !strings.Contains(a, `"`) {
				t.Errorf("%q, %q is %q, and that is %q", one, two, a, again)
			}
		}
	})
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "0", ", "} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := httpDate(text, now); ok && d.Year() > 0 {
			if again, ok := httpDate(formatDate(d), now); !ok || !again.Equal(d) {
				t.Errorf("%q is %v, and that is %v", text, d, again)
			}
		}
	})
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-1", "bytes=1-", "bytes=1-0", "bytes=0-0,1-1", "bytes=99999999999999999999-", "x=1"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, text string, size int64) {
		if size < 0 {
			return
		}
		spans, several := rangesOf(text, size)
		end := int64(0)
		for _, s := range spans {
			if several == manyRanges && (s.first < end || s.first >= s.end || s.end > size) || len(spans) > maxRanges {
				t.Errorf("%q of %d is %v", text, size, spans)
			}
			end = s.end
		}
		s, kind := rangeOf(text, size)
		if kind == oneRange && (s.first < 0 || s.first >= s.end || s.end > size) {
			t.Errorf("%q of %d is %v", text, size, s)
		}
		if kind == oneRange {
			if again, total, ok := parseContentRange(contentRange(s, size)); !ok || again != s || total != size && size <= maxPosition {
				t.Errorf("%v of %d comes back as %v of %d", s, size, again, total)
			}
		}
	})
}
