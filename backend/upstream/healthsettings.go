package upstream

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Sticky binds a client to the target that answered it first.
type Sticky struct {
	Cookie string          `toml:"cookie" title:"Cookie" default:"proxycache_target" placeholder:"proxycache_target" help:"The name of the cookie. It holds a signature of the target, HttpOnly, SameSite=Lax, and Secure where the client came by TLS."`
	TTL    schema.Duration `toml:"ttl" title:"Lifetime" default:"0s" min:"0s" max:"400d" help:"How long the client keeps it, 1s or more; 0s is until the browser is closed."`
	Secret string          `toml:"secret" title:"Secret" placeholder:"${STICKY_SECRET}" help:"What signs the cookie. Empty is one made at the start: after a restart clients are bound anew."`
}

// SlowStart is how the share of a target grows.
type SlowStart struct {
	Window     schema.Duration `toml:"window" title:"Window" default:"30s" min:"100ms" max:"1d" help:"How long it takes until the target has its whole share."`
	Aggression float64         `toml:"aggression" title:"Aggression" default:"1" min:"0.1" max:"100" help:"How the share grows: 1 evenly, more than 1 faster at the beginning, less than 1 slower. It begins at a tenth of the weight."`
}

// HealthCheck is one question that is asked of every target of a pool.
type HealthCheck struct {
	Type         string          `toml:"type" title:"Type" default:"http" oneof:"http,tcp,grpc,command" help:"What is asked: an HTTP request, a connection (with TLS for https), grpc.health.v1.Health/Check, or a program of this machine."`
	Method       string          `toml:"method" title:"Method" default:"GET" placeholder:"GET" help:"The method of the HTTP request."`
	Path         string          `toml:"path" title:"Path" default:"/" placeholder:"/healthz" help:"The path of the HTTP request, below that of the target."`
	Host         string          `toml:"host" title:"Host field" placeholder:"shop.example" help:"What the HTTP or gRPC request says in Host; empty is the target's own name."`
	Headers      []schema.Pair   `toml:"headers" title:"Fields" max:"64" help:"Fields of the HTTP request."`
	Statuses     []string        `toml:"statuses" title:"Statuses" default:"200-399" max:"32" help:"The statuses that are healthy: 204, 2xx or 200-399."`
	Body         string          `toml:"body" title:"Body" placeholder:"\"status\": *\"ok\"" help:"A regular expression (RE2) that the first 64 KiB of the answer's body must hold; empty looks at no body."`
	Service      string          `toml:"service" title:"Service" placeholder:"shop.v1.Cart" help:"The gRPC service that is asked about; empty is the whole server."`
	Command      []string        `toml:"command" title:"Command" placeholder:"/usr/local/bin/check" max:"64" help:"The program and its arguments, run without a shell: exit code 0 is healthy. PROXYCACHE_TARGET in its environment is the target's address."`
	Interval     schema.Duration `toml:"interval" title:"Interval" default:"10s" min:"50ms" max:"1d" help:"How long after an answer it is asked again."`
	FastInterval schema.Duration `toml:"fast_interval" title:"Fast interval" default:"1s" min:"50ms" max:"1d" help:"The interval while the answers differ from what the target is taken for, until rise or fall is reached; never longer than interval."`
	Timeout      schema.Duration `toml:"timeout" title:"Timeout" default:"2s" min:"10ms" max:"1h" help:"How long an answer may take."`
	Rise         int             `toml:"rise" title:"Rise" default:"2" min:"1" max:"1000" help:"How many good answers in a row make an unhealthy target healthy. The first answer of all decides alone."`
	Fall         int             `toml:"fall" title:"Fall" default:"3" min:"1" max:"1000" help:"How many bad answers in a row make a healthy target unhealthy."`
	Jitter       int             `toml:"jitter" title:"Jitter" default:"10" min:"0" max:"100" unit:"%" help:"By how much an interval is longer or shorter by chance, so that checks do not come all at once."`
}

// Outlier is when a target is left out for its answers to ordinary requests. The names and defaults
// are those of Envoy's outlier detection, but for latency, which Envoy does not know.
type Outlier struct {
	Consecutive5xx            int             `toml:"consecutive_5xx" title:"5xx in a row" default:"5" min:"0" max:"100000" help:"So many answers of 5xx in a row eject a target; one that fails without an answer counts, too. 0 is off."`
	ConsecutiveGatewayFailure int             `toml:"consecutive_gateway_failure" title:"Gateway failures in a row" default:"5" min:"0" max:"100000" help:"So many answers of 502, 503 or 504, or none at all, in a row eject a target. 0 is off."`
	Interval                  schema.Duration `toml:"interval" title:"Interval" default:"10s" min:"100ms" max:"1h" help:"How often the targets are compared with one another, and ejected ones let in again whose time is over."`
	BaseEjectionTime          schema.Duration `toml:"base_ejection_time" title:"Ejection time" default:"30s" min:"100ms" max:"1d" help:"How long a target is left out the first time; the second time twice as long, and so on. Each interval without fault takes one time back."`
	MaxEjectionTime           schema.Duration `toml:"max_ejection_time" title:"Longest ejection" default:"300s" min:"100ms" max:"7d" help:"The longest time that a target is left out."`
	MaxEjectionPercent        int             `toml:"max_ejection_percent" title:"Ejected at most" default:"10" min:"0" max:"100" unit:"%" help:"The largest share of the targets that is left out at once. One of several may be in any case unless it is 0; the last one never is."`
	SuccessRateMinimumHosts   int             `toml:"success_rate_minimum_hosts" title:"Targets to compare" default:"5" min:"2" max:"1000" help:"So many targets must have had enough requests in an interval to be compared with one another."`
	SuccessRateRequestVolume  int             `toml:"success_rate_request_volume" title:"Requests to compare" default:"100" min:"1" max:"1000000" help:"So many requests in an interval are enough for that."`
	SuccessRateStdevFactor    float64         `toml:"success_rate_stdev_factor" title:"Deviation" default:"1.9" min:"0" max:"100" help:"A target whose rate of success is below the mean by so many standard deviations is ejected. 0 is off."`
	LatencyFactor             float64         `toml:"latency_factor" title:"Slowness" default:"0" min:"0" max:"1000" help:"A target that takes so many times as long to begin its answers as the median of the targets is ejected. 0 is off."`
	LatencyMinimum            schema.Duration `toml:"latency_minimum" title:"Slow from" default:"100ms" min:"0s" max:"1h" help:"Targets that begin their answers within this time on average are never ejected as slow."`
}

// Check holds the name to what a cookie may be called (RFC 6265 §4.1.1).
func (s *Sticky) Check() []*problem.Problem {
	if !isToken(s.Cookie) {
		return []*problem.Problem{problem.New(problem.Invalid, "%q is no name of a cookie: use letters, digits, - and _", s.Cookie).At("cookie")}
	}
	return nil
}

// ownFields say how the request of a check is sent, in lower case.
var ownFields = []string{"content-length", "transfer-encoding", "connection", "upgrade"}

// Check says which settings of the check do not go together.
func (h *HealthCheck) Check() []*problem.Problem {
	var list []*problem.Problem
	fail := func(where, format string, args ...any) {
		list = append(list, problem.New(problem.Invalid, format, args...).At(where))
	}
	if !isToken(h.Method) {
		fail("method", "%q is no method: write one as GET or HEAD", h.Method)
	}
	if !strings.HasPrefix(h.Path, "/") || strings.ContainsAny(h.Path, " \t\r\n#") {
		fail("path", "%q is no path: it begins with / and has no spaces", h.Path)
	}
	if h.Host != "" && !isAuthority(h.Host) {
		fail("host", "%q is no Host: write a name as in shop.example:8080", h.Host)
	}
	for i, f := range h.Headers {
		where := fmt.Sprintf("headers.%d", i+1)
		switch name := strings.ToLower(f.Name); {
		case !isToken(f.Name) || strings.ContainsAny(f.Value, "\r\n\x00"):
			fail(where, "%q is no field: use a name of letters, digits and -, and a value of one line", f.Name)
		case name == "host":
			fail(where, "%s is no field of its own here: remove it, and write host = %q", f.Name, f.Value)
		case slices.Contains(ownFields, name):
			fail(where, "%s is not yours to set: the check has no body and a connection of its own, and says so by itself. Remove it", f.Name)
		}
	}
	for i, s := range h.Statuses {
		if _, ok := parseStatuses(s); !ok {
			fail(fmt.Sprintf("statuses.%d", i+1), "%q is no status: write 204, 2xx or 200-399", s)
		}
	}
	if _, err := regexp.Compile(h.Body); err != nil {
		fail("body", "%q is no regular expression: %s", h.Body, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if h.Type == "http" && h.Body != "" && (h.Method == "HEAD" || h.Method == "CONNECT") {
		fail("body", "an answer to %s has no body to look at: use GET, or remove body", h.Method)
	}
	if h.Type == "command" && (len(h.Command) == 0 || h.Command[0] == "") {
		fail("command", "command is empty: name the program, as in [\"/usr/local/bin/check\"]")
	}
	return list
}

// Check says that the longest ejection is none.
func (o *Outlier) Check() []*problem.Problem {
	if o.MaxEjectionTime < o.BaseEjectionTime {
		return []*problem.Problem{problem.New(problem.Invalid, "max_ejection_time is %s, which is shorter than base_ejection_time (%s): raise it", o.MaxEjectionTime, o.BaseEjectionTime).At("max_ejection_time")}
	}
	return nil
}

// checkBalance says what is wrong with how targets are chosen.
func (s *Settings) checkBalance() []*problem.Problem {
	_, ok := parseHashKey(s.Hash)
	switch {
	case s.Balance != byHash && s.Hash != "":
		return []*problem.Problem{problem.New(problem.Invalid, "hash is set and balance is %s: write balance = \"hash\", or remove hash", s.Balance).At("hash")}
	case s.Balance == byHash && s.Hash == "":
		return []*problem.Problem{problem.New(problem.Invalid, "balance is hash and hash is empty: write client_ip, uri, header:NAME, cookie:NAME or query:NAME").At("hash")}
	case s.Hash != "" && !ok:
		return []*problem.Problem{problem.New(problem.Invalid, "%q is nothing to hash: write client_ip, uri, header:NAME, cookie:NAME or query:NAME", s.Hash).At("hash")}
	}
	return nil
}

// statuses are those from the first to the last.
type statuses struct{ first, last int }

// parseStatuses reads "204", "2xx" or "200-399".
func parseStatuses(text string) (statuses, bool) {
	if digit, ok := strings.CutSuffix(text, "xx"); ok {
		n, err := strconv.Atoi(digit)
		return statuses{n * 100, n*100 + 99}, err == nil && 1 <= n && n <= 5
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	return statuses{first, last}, err1 == nil && err2 == nil && 100 <= first && first <= last && last <= 599
}
