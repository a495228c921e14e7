package cache

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/redis"
	"proxycache/backend/schema"
)

// Settings say where responses are kept, what tells them apart, and what may be done with them beyond
// what their own fields say.
type Settings struct {
	Store     string      `toml:"store" title:"Store" help:"Where responses are kept: memory, disk, or the URL of a Redis or a Memcached." default:"memory" placeholder:"redis://127.0.0.1:6379/0"`
	Memory    schema.Size `toml:"memory" title:"Memory" help:"How much memory the responses take; before another store it is the first place to look, and 0 leaves it out." default:"64MiB" max:"64GiB"`
	Disk      schema.Size `toml:"disk" title:"Disk" help:"How much of the disk the responses take where they are kept there." default:"1GiB" min:"1MiB" max:"16TiB"`
	MaxObject schema.Size `toml:"max_object" title:"Largest response" help:"A body larger than this passes without being kept." default:"8MiB" min:"1KiB" max:"4GiB"`

	KeyHeaders  []string `toml:"key_headers" title:"Fields in the key" help:"Request fields that tell responses apart beside the URL." placeholder:"X-Tenant" max:"20"`
	KeyCookies  []string `toml:"key_cookies" title:"Cookies in the key" help:"Cookies that tell responses apart beside the URL." placeholder:"session" max:"20"`
	IgnoreQuery []string `toml:"ignore_query" title:"Query parameters left out" help:"Query parameters that make no difference; a * at the end stands for the rest of a name." placeholder:"utm_*" max:"100"`

	IgnoreRequestDirectives bool            `toml:"ignore_request_directives" title:"Ignore what requests say" help:"Whether Cache-Control and Pragma of a request are without effect."`
	DefaultTTL              schema.Duration `toml:"default_ttl" title:"Lifetime by default" help:"How long a response is fresh that says nothing about it; 0 keeps to the rules of HTTP. Not of what answers a request with a cookie that is not in the key, or with Authorization, unless it says public." default:"0s" min:"0s" max:"365d"`
	DefaultStatuses         []string        `toml:"default_statuses" title:"Statuses of these lifetimes" help:"The statuses that default_ttl and override_ttl are for; what sets a cookie gets neither." default:"200,301,308,404" max:"50"`
	OverrideTTL             schema.Duration `toml:"override_ttl" title:"Lifetime always" help:"How long a response is fresh that may be kept, whatever it says of its lifetime; 0 believes the response. Not of what answers a request with a cookie that is not in the key, or with Authorization, unless it says public." default:"0s" min:"0s" max:"365d"`
	StaleWhileRevalidate    schema.Duration `toml:"stale_while_revalidate" title:"Stale while revalidating" help:"How long a stale response is given while a new one is fetched, where the response does not say." default:"0s" min:"0s" max:"30d"`
	StaleIfError            schema.Duration `toml:"stale_if_error" title:"Stale if there is an error" help:"How long a stale response is given when the server fails, where the response does not say." default:"0s" min:"0s" max:"30d"`
	KeepStale               schema.Duration `toml:"keep_stale" title:"Keep stale ones" help:"How long a stale response is kept, so that it can be validated instead of being sent again." default:"1d" min:"0s" max:"365d"`

	Collapse    bool            `toml:"collapse" title:"Collapse requests" help:"Whether requests for the same response wait for one fetch." default:"true"`
	LockTimeout schema.Duration `toml:"lock_timeout" title:"Wait for another's fetch" help:"How long a request waits for the head that another one fetches, before it fetches by itself." default:"5s" min:"10ms" max:"5m"`

	TagFields      []string `toml:"tag_fields" title:"Fields with tags" help:"Response fields that hold tags to purge by." default:"Surrogate-Key,Cache-Tag" max:"10"`
	PurgeMethod    bool     `toml:"purge_method" title:"PURGE requests" help:"Whether a request with the method PURGE, from this machine or a trusted peer, purges its URL." default:"true"`
	DeceptionCheck bool     `toml:"deception_check" title:"Guard against deception" help:"Whether a page under the name of a picture, a style or a script is kept only when the server says clearly that it is for everybody." default:"true"`
	StatusName     string   `toml:"status_name" title:"Name in Cache-Status" help:"What this cache is called in the response field Cache-Status; empty leaves the field out." default:"proxycache" max:"64"`
}

const (
	storeMemory = "memory"
	storeDisk   = "disk"
)

func (s *Settings) Explain() string {
	var b strings.Builder
	b.WriteString("keeps responses in " + s.place())
	fmt.Fprintf(&b, ", each up to %s", s.MaxObject)
	s.explainKey(&b)
	for _, d := range []struct {
		name  string
		value schema.Duration
	}{
		{"fresh for %s whatever they say", s.OverrideTTL}, {"fresh for %s where they say nothing", s.DefaultTTL},
		{"stale for %s while revalidating", s.StaleWhileRevalidate}, {"stale for %s if there is an error", s.StaleIfError},
	} {
		if d.value > 0 {
			fmt.Fprintf(&b, ", "+d.name, d.value)
		}
	}
	if s.IgnoreRequestDirectives {
		b.WriteString(", ignores what requests say")
	}
	if s.Collapse {
		fmt.Fprintf(&b, ", one fetch at a time for a response (others wait up to %s)", s.LockTimeout)
	}
	return b.String()
}

func (s *Settings) place() string {
	first := ""
	if s.Memory > 0 {
		first = fmt.Sprintf("%s of memory, then ", s.Memory)
	}
	switch s.Store {
	case storeMemory:
		return fmt.Sprintf("%s of memory", s.Memory)
	case storeDisk:
		return first + fmt.Sprintf("%s of the disk", s.Disk)
	}
	u, err := url.Parse(s.Store)
	if err != nil {
		return first + "another server"
	}
	return first + u.Scheme + " at " + u.Host
}

func (s *Settings) explainKey(b *strings.Builder) {
	var parts []string
	if len(s.KeyHeaders) > 0 {
		parts = append(parts, strings.Join(s.KeyHeaders, ", "))
	}
	if len(s.KeyCookies) > 0 {
		parts = append(parts, "the cookies "+strings.Join(s.KeyCookies, ", "))
	}
	if len(parts) > 0 {
		b.WriteString(", by URL, " + strings.Join(parts, " and "))
	}
	if len(s.IgnoreQuery) > 0 {
		b.WriteString(", without the query parameters " + strings.Join(s.IgnoreQuery, ", "))
	}
}

var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func (s *Settings) Check() []*problem.Problem {
	var out []*problem.Problem
	add := func(where, format string, args ...any) {
		out = append(out, problem.New(problem.Invalid, format, args...).At(where))
	}
	s.checkStore(add)
	for setting, names := range map[string][]string{"key_headers": s.KeyHeaders, "key_cookies": s.KeyCookies, "tag_fields": s.TagFields} {
		for i, name := range names {
			if !token.MatchString(name) {
				add(setting+"."+strconv.Itoa(i+1), "%q is no name of a field or a cookie: write letters, digits and -", name)
			}
		}
	}
	for i, status := range s.DefaultStatuses {
		if n, err := strconv.Atoi(status); err != nil || n < 200 || n > 599 || n == 206 || n == 304 {
			add("default_statuses."+strconv.Itoa(i+1), "%q is no status that can have a lifetime by default: write one from 200 to 599, but 206 or 304", status)
		}
	}
	for i, name := range s.IgnoreQuery {
		if name == "" || strings.ContainsAny(name, "&=?#") || strings.Contains(strings.TrimSuffix(name, "*"), "*") {
			add("ignore_query."+strconv.Itoa(i+1), "%q is no name of a query parameter: write one as in the URL, or its beginning with a * behind it", name)
		}
	}
	if strings.ContainsFunc(s.StatusName, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		add("status_name", "status_name is %q, letters and signs of ASCII are needed, without quotes", s.StatusName)
	}
	return out
}

func (s *Settings) checkStore(add func(where, format string, args ...any)) {
	switch {
	case s.Store == storeMemory:
		if s.Memory < 1<<20 {
			add("memory", "memory is %s, and the responses are kept there: give it 1MiB or more", s.Memory)
		}
	case s.Store == storeDisk:
	case strings.HasPrefix(s.Store, "redis"):
		if err := redis.Check(s.Store); err != nil {
			add("store", "%s", problem.Of(err).Message)
		}
	case strings.HasPrefix(s.Store, "memcached://"):
		if u, err := url.Parse(s.Store); err != nil || u.Host == "" {
			add("store", "store is %q, which names no server: write memcached://host:11211", s.Store)
		}
	default:
		add("store", "store is %q: write memory, disk, redis://host:6379/0 or memcached://host:11211", s.Store)
	}
	if s.Store != storeMemory && s.Memory > 0 && s.Memory < 1<<20 {
		add("memory", "memory is %s, which is too little to be of use: give it 1MiB or more, or 0 to leave it out", s.Memory)
	}
}

// Policy opens the store, or goes on with the one that the plan before has.
func (s *Settings) Policy(env policy.Env) (policy.Policy, error) {
	kept := policy.Kept(env, "contents", newContents)
	shared, sizes, err := kept.acquire(s, env)
	if err != nil {
		return nil, err
	}
	c := &cache{
		settings: s, kept: kept, shelf: shared, rules: s.rules(), key: newKeyer(s),
		statusName: quotedName(s.StatusName), count: &shared.count, collapse: s.Collapse,
		lockTimeout: time.Duration(s.LockTimeout), maxObject: int64(s.MaxObject), sizes: sizes,
	}
	c.key.routes = strings.HasPrefix(env.Cell, commonCell)
	return c, nil
}

// commonCell begins the id of a cell that belongs to all routes.
const commonCell = "common/"

// rules are the settings that decide what is kept and for how long.
func (s *Settings) rules() rules {
	r := rules{
		defaultTTL: time.Duration(s.DefaultTTL), overrideTTL: time.Duration(s.OverrideTTL),
		staleWhile: time.Duration(s.StaleWhileRevalidate), staleIfError: time.Duration(s.StaleIfError),
		keepStale: time.Duration(s.KeepStale), ignoreRequest: s.IgnoreRequestDirectives,
		deception: s.DeceptionCheck, tagFields: s.TagFields, maxObject: int64(s.MaxObject),
	}
	for _, status := range s.DefaultStatuses {
		if n, err := strconv.Atoi(status); err == nil { // Check has seen them
			r.defaultStatuses = append(r.defaultStatuses, n)
		}
	}
	for _, name := range s.KeyHeaders {
		r.keyed = append(r.keyed, strings.ToLower(name))
	}
	return r
}

// quotedName is a name as a member of Cache-Status: a token, or a string where it is none (RFC 9211 §2).
func quotedName(name string) string {
	if name == "" || isSFToken(name) {
		return name
	}
	return `"` + name + `"`
}

func isSFToken(name string) bool {
	for i := range len(name) {
		b := name[i]
		switch {
		case isAlpha(b) || b == '*':
		case i > 0 && (isTchar(b) || b == ':' || b == '/'):
		default:
			return false
		}
	}
	return name != ""
}
