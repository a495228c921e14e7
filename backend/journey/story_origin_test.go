package journey

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// scripted is the origin of a story: it answers with what the story wrote for it, and as the mirror when
// nothing is left. It has several addresses and speaks HTTP/1.1, and HTTP/2 in the clear.
type scripted struct {
	over chan struct{} // closed at the end: whoever waits here goes

	mu      sync.Mutex
	script  []scriptedAnswer
	checks  map[string]healthAnswer
	heard   []*http.Request // since the last time they were told
	arrived int             // since the beginning
}

func openScripted(t *testing.T) *scripted {
	o := &scripted{over: make(chan struct{}), checks: map[string]healthAnswer{}}
	t.Cleanup(func() { close(o.over) })
	return o
}

// listen opens one more address.
func (o *scripted) listen(t *testing.T) string {
	t.Helper()
	return o.listenAt(t, "127.0.0.1:0")
}

func (o *scripted) listenAt(t *testing.T, at string) string {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: o}}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections() // of those that wait for an answer
		s.Close()
	})
	return address(s.URL)
}

func (o *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.UserAgent(), finder) {
		mirror(w, r)
		return
	}
	if isHealthCheck(r) {
		o.answerCheck(w, r)
		return
	}
	answers := o.hear(r)
	if len(answers) == 0 {
		mirror(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // a request that breaks off is answered all the same
	for _, a := range answers {
		o.give(w, r, a)
	}
}

// hear keeps r and takes its answer from the script, with the interim ones before it.
func (o *scripted) hear(r *http.Request) (answers []scriptedAnswer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = append(o.heard, r)
	o.arrived++
	for len(o.script) > 0 {
		next := o.script[0]
		o.script, answers = o.script[1:], append(answers, next)
		if next.status >= 200 || next.status == 0 {
			break
		}
	}
	return answers
}

// told are the requests since it was called last, once there are at least so many or no more come.
func (o *scripted) told(atLeast int) []*http.Request {
	var out []*http.Request
	within(2*time.Second, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.heard) < atLeast {
			return false
		}
		out, o.heard = o.heard, nil
		return true
	})
	if out == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		out, o.heard = o.heard, nil
	}
	return out
}

func (o *scripted) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.arrived
}

func (o *scripted) add(a scriptedAnswer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.script = append(o.script, a)
}

// unasked are the lines of the answers that are left.
func (o *scripted) unasked() (lines []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.script {
		lines = append(lines, a.line)
	}
	return lines
}

// scriptedAnswer is what an origin section says.
type scriptedAnswer struct {
	line   int // of the section in its file
	after  time.Duration
	silent bool
	status int // 0 hangs up, unless it is silent
	fields []writtenField
	body   string
	breaks bool // off behind the body
}

type writtenField struct{ name, value string }

func (s *telling) origin(one section) error {
	a, err := parseAnswer(one.lines())
	if err != nil {
		return stop{err}
	}
	a.line = one.line
	s.words.origin.add(a)
	return nil
}

func parseAnswer(lines []string) (a scriptedAnswer, err error) {
	first := 1 // line of the section in which what is left begins
	if len(lines) > 0 && strings.HasPrefix(lines[0], "after ") {
		if a.after, err = time.ParseDuration(strings.TrimPrefix(lines[0], "after ")); err != nil {
			return a, at(1, "%q: write a time, as after 200ms", lines[0])
		}
		lines, first = lines[1:], 2
	}
	switch {
	case len(lines) == 0:
		return a, at(0, "it says nothing: write a status, hang up or silent")
	case len(lines) == 1 && lines[0] == "hang up":
		return a, nil
	case len(lines) == 1 && lines[0] == "silent":
		a.silent = true
		return a, nil
	}
	if n := len(lines) - 1; lines[n] == "hang up in body" {
		a.breaks, lines = true, lines[:n]
	}
	if a.status, err = strconv.Atoi(lines[0]); err != nil || a.status < 100 || a.status > 599 {
		return a, at(first, "%q is no status: write one as 200, hang up or silent", lines[0])
	}
	for i, line := range lines[1:] {
		if line == "" {
			a.body = strings.Join(lines[i+2:], "\n")
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return a, at(first+i+1, "%q is no field: write NAME: VALUE, and a blank line before the body", line)
		}
		a.fields = append(a.fields, writtenField{name, strings.TrimSpace(value)})
	}
	return a, nil
}

// give sends a.
func (o *scripted) give(w http.ResponseWriter, r *http.Request, a scriptedAnswer) {
	if a.after > 0 {
		o.wait(r, time.After(a.after))
	}
	if a.silent {
		o.wait(r, nil)
	}
	if a.status == 0 {
		panic(http.ErrAbortHandler) // which closes the connection
	}
	h := w.Header()
	h["Content-Type"] = nil // not guessed from the body
	for _, f := range a.fields {
		a.setField(h, f, time.Now())
	}
	chunked := h.Get("Transfer-Encoding") != ""
	h.Del("Transfer-Encoding")
	w.WriteHeader(a.status)
	if a.status < 200 {
		clear(h)
		return
	}
	if chunked || a.breaks {
		_ = http.NewResponseController(w).Flush() // the head goes before the length is known
	}
	if _, err := io.WriteString(w, a.body); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		return // the other side has gone
	}
	if a.breaks {
		_ = http.NewResponseController(w).Flush() // what there is must arrive
		panic(http.ErrAbortHandler)
	}
}

func (o *scripted) wait(r *http.Request, until <-chan time.Time) {
	select {
	case <-until:
	case <-r.Context().Done():
	case <-o.over:
	}
}

func (a *scriptedAnswer) setField(h http.Header, f writtenField, now time.Time) {
	name := http.CanonicalHeaderKey(f.name)
	if f.value == "(none)" {
		h[name] = nil
		return
	}
	h[name] = append(h[name], dated(f.value, now))
}

var date = regexp.MustCompile(`\{(0|[-+][^{}]+)\}`)

// dated has {0}, {-10s} and {+1h} replaced by dates so far from now.
func dated(value string, now time.Time) string {
	return date.ReplaceAllStringFunc(value, func(found string) string {
		distance, err := time.ParseDuration(strings.Trim(found, "{}"))
		if err != nil {
			return found
		}
		return now.Add(distance).UTC().Format(http.TimeFormat)
	})
}

// mirror answers with what it was sent. The query asks for more: set=NAME:VALUE for a field, status=503
// for a status, size=5000 for a body of that many bytes.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Server", "mirror")
	wanted := r.URL.Query()
	for _, field := range wanted["set"] {
		name, value, _ := strings.Cut(field, ":")
		w.Header().Set(name, value)
	}
	if status, err := strconv.Atoi(wanted.Get("status")); err == nil {
		w.WriteHeader(status)
	}
	if size, err := strconv.Atoi(wanted.Get("size")); err == nil {
		fmt.Fprint(w, strings.Repeat("x", size))
		return
	}
	fmt.Fprintf(w, "%s %s\n", r.Method, r.RequestURI)
	for _, name := range []string{"X-Env", "X-Request-Id", "Cookie", "Authorization"} {
		if values := r.Header.Values(name); len(values) > 0 {
			fmt.Fprintf(w, "%s: %s\n", name, strings.Join(values, ", "))
		}
	}
	if len(body) > 0 {
		fmt.Fprintf(w, "\n%s\n", body)
	}
}
