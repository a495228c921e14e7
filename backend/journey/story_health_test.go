package journey

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// healthAnswer is what a check is answered.
type healthAnswer struct {
	status int
	body   string
}

const grpcCheck = "/grpc.health.v1.Health/Check"

func isHealthCheck(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/health") || r.URL.Path == grpcCheck
}

func (o *scripted) answerCheck(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	a, known := o.checks[r.URL.Path]
	o.mu.Unlock()
	if !known {
		a = healthAnswer{http.StatusOK, "ok"}
	}
	if r.URL.Path == grpcCheck {
		answerGRPC(w, a)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// answerGRPC says SERVING for 200 and NOT_SERVING for anything else.
func answerGRPC(w http.ResponseWriter, a healthAnswer) {
	serving := byte(1)
	if a.status != http.StatusOK {
		serving = 2
	}
	w.Header().Set("Content-Type", "application/grpc")
	_, _ = w.Write([]byte{0, 0, 0, 0, 2, 1 << 3, serving})
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
}

func (s *telling) health(one section) error {
	for i, line := range one.lines() {
		path, rest, _ := strings.Cut(line, " ")
		code, body, hasBody := strings.Cut(rest, " ")
		status, err := strconv.Atoi(code)
		if err != nil || !strings.HasSuffix(path, "/health") && path != grpcCheck {
			return stop{at(i+1, "%q: write /path/health 503, or %s 503", line, grpcCheck)}
		}
		if !hasBody {
			body = "ok"
		}
		s.words.origin.setHealth(path, healthAnswer{status, body})
	}
	return nil
}

func (o *scripted) setHealth(path string, a healthAnswer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.checks[path] = a
}
