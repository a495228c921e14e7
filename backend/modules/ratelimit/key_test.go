package ratelimit

import (
	"strings"
	"testing"
)

func TestRequestsAreCountedByTheirKey(t *testing.T) {
	fields := []string{"X-Tenant: acme", "Authorization: Bearer abc", "Cookie: a=1; sid=s-1", "Cookie: b=2", "X-Forwarded-For: 198.51.100.7, 198.51.100.8", "X-Forwarded-For: [2001:db8:1:2::9]:443"}
	for _, c := range []struct {
		key, want, shown string
	}{
		{"client_ip", "192.0.2.1", "192.0.2.1"},
		{"header:x-tenant", "acme", "acme"},
		{"header:X-None", "", "(none)"},
		{"header:Authorization", "Bearer abc", "sha256:"},
		{"cookie:sid", "s-1", "sha256:"},
		{"cookie:b", "2", "sha256:"},
		{"cookie:none", "", "(none)"},
		{"path", "/v1/items", "/v1/items"},
		{"host", "shop.test", "shop.test"},
		{"all", "all", "all"},
		{"${method} ${client_ip} of ${header:X-Tenant}", "GET 192.0.2.1 of acme", "GET 192.0.2.1 of acme"},
		{"${query.page}|${cookie:b}", "2|2", "sha256:"},
		{"${request.header.x-tenant}", "acme", "acme"},
		{"${query.api_key}${path}", "/v1/items", "sha256:"},
	} {
		k, err := parseKey(c.key, addressing{prefix: 64})
		if err != nil {
			t.Fatal(err)
		}
		got := k.of(from(t.Context(), "::ffff:192.0.2.1", fields...))
		if shown := k.shown(got); got != c.want || !strings.HasPrefix(shown, c.shown) {
			t.Errorf("%s is %q, shown as %q", c.key, got, shown)
		}
	}
}

func TestALongKeyIsShownShort(t *testing.T) {
	k := key{}
	if got := k.shown(strings.Repeat("ü", 100)); got != strings.Repeat("ü", 40)+"…" {
		t.Errorf("%q", got)
	}
}

func TestTheClientIsFoundBehindProxies(t *testing.T) {
	two := []string{"X-Forwarded-For: 198.51.100.7, 198.51.100.8", "x-forwarded-for: [2001:db8:1:2:3::9]:443"}
	for _, c := range []struct {
		peer    string
		depth   int
		prefix  int
		trusted bool
		fields  []string
		want    string
	}{
		{"192.0.2.1", 0, 64, true, two, "192.0.2.1"},
		{"192.0.2.1", 1, 64, false, two, "192.0.2.1"},
		{"192.0.2.1", 1, 64, true, two, "2001:db8:1:2::/64"},
		{"192.0.2.1", 1, 128, true, two, "2001:db8:1:2:3::9"},
		{"192.0.2.1", 2, 64, true, two, "198.51.100.8"},
		{"192.0.2.1", 3, 64, true, two, "198.51.100.7"},
		{"192.0.2.1", 4, 64, true, two, "192.0.2.1"},
		{"192.0.2.1", 1, 64, true, nil, "192.0.2.1"},
		{"192.0.2.1", 1, 64, true, []string{"X-Forwarded-For: unknown"}, "192.0.2.1"},
		{"192.0.2.1", 1, 64, true, []string{"X-Forwarded-For: 198.51.100.9:80"}, "198.51.100.9"},
		{"192.0.2.1", 1, 64, true, []string{"X-Forwarded-For: ::ffff:198.51.100.9"}, "198.51.100.9"},
		{"2001:db8:5:6:7:8:9:a", 0, 64, false, nil, "2001:db8:5:6::/64"},
		{"2001:db8:5:6:7:8:9:a", 0, 48, false, nil, "2001:db8:5::/48"},
		{"fe80::1%eth0", 0, 128, false, nil, "fe80::1"},
	} {
		x := from(t.Context(), c.peer, c.fields...)
		x.Trusted = c.trusted
		if got := (addressing{depth: c.depth, prefix: c.prefix}).client(x); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func FuzzAKeyIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{"client_ip", "${client_ip}", "header:${x}", "${header:}", "${cookie:a}${", "cookie:"} {
		f.Add(seed, "a=b; c", "1.2.3.4, , [::1")
	}
	f.Fuzz(func(t *testing.T, text, cookies, forwarded string) {
		k, err := parseKey(text, addressing{depth: 2, prefix: 64})
		if err != nil {
			return
		}
		x := from(t.Context(), "192.0.2.1", "Cookie: "+cookies, "X-Forwarded-For: "+forwarded)
		x.Trusted = true
		value := k.of(x)
		if k.secret && len(value) > 5 && strings.Contains(k.shown(value), value) {
			t.Errorf("%q shows its secret", text)
		}
	})
}
