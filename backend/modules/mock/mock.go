// Package mock answers in the place of a server.
package mock

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
	"proxycache/backend/template"
)

// Module is its entry in the palette.
var Module = policy.Module{
	Name: "mock", Title: "Mock", Summary: "Answers itself instead of asking the server.",
	Icon: "contrast", Stage: policy.Serve, Figure: "mocked",
	Settings: func() policy.Settings { return new(Settings) },
}

// Settings are the answer. At most one of the three bodies is set.
type Settings struct {
	Status     int             `toml:"status" title:"Status" help:"The status of the answer." default:"200" min:"200" max:"999"`
	Headers    []schema.Pair   `toml:"headers" title:"Headers" help:"The fields of the answer, in this order. A body without a Content-Type gets one that fits it." max:"100"`
	Body       string          `toml:"body" title:"Body" help:"The text of the answer. ${…} takes values of the exchange: ${path}, ${query.page}, ${request.header.accept}." kind:"code" placeholder:"{\"hello\": \"world\"}"`
	BodyBase64 string          `toml:"body_base64" title:"Body, base64" help:"The bytes of the answer, for what is no text." kind:"code"`
	BodyFile   string          `toml:"body_file" title:"Body from a file" help:"The file that is sent, read anew for each answer. An absolute path, or one from the folder Proxycache was started in." placeholder:"/home/me/answer.json"`
	Delay      schema.Duration `toml:"delay" title:"Delay" help:"Waits before it answers." default:"0s" min:"0s" max:"10m"`
}

func (s *Settings) Explain() string {
	out := "answers " + strconv.Itoa(s.Status)
	switch {
	case s.Body != "":
		out += fmt.Sprintf(" with %d bytes of text", len(s.Body))
	case s.BodyBase64 != "":
		data, _ := decoded(s.BodyBase64) // Check has said what is wrong with it
		out += fmt.Sprintf(" with %d bytes", len(data))
	case s.BodyFile != "":
		out += " with the file " + filepath.Base(s.BodyFile)
	}
	if s.Delay > 0 {
		out += " after " + s.Delay.String()
	}
	return out
}

func (s *Settings) Check() []*problem.Problem {
	_, problems := s.answerer()
	bodies := 0
	for _, body := range []string{s.Body, s.BodyBase64, s.BodyFile} {
		if body != "" {
			bodies++
		}
	}
	if bodies > 1 {
		problems = append(problems, problem.New(problem.Invalid, "a mock has one body: keep one of body, body_base64 and body_file").At("body"))
	}
	if bodies > 0 && bodiless(s.Status) {
		problems = append(problems, problem.New(problem.Invalid, "an answer with status %d has no body: remove the body, or choose another status", s.Status).At("status"))
	}
	return problems
}

// bodiless tells of a status whose answer ends with its head (RFC 9110 §6.4.1).
func bodiless(status int) bool { return status == 204 || status == 304 }

func (s *Settings) Policy(policy.Env) (policy.Policy, error) {
	a, problems := s.answerer()
	if err := problems.Err(); err != nil {
		return nil, err
	}
	if a.file == "" {
		return a, nil
	}
	f, _, err := open(a.file)
	if err != nil {
		return nil, problem.Of(err).At("body_file")
	}
	defer f.Close()
	if !typed(s.Headers) {
		a.kind = kindOfFile(f)
	}
	return a, nil
}

func (s *Settings) answerer() (*answerer, problem.List) {
	var problems problem.List
	a := &answerer{status: s.Status, file: s.BodyFile, delay: time.Duration(s.Delay)}
	var wrong problem.List
	a.fields, wrong = template.Fields(s.Headers, template.Request)
	for _, p := range wrong {
		problems = append(problems, p.At("headers."+p.Where))
	}
	var err error
	if a.text, err = template.Parse(s.Body, template.Request); err != nil {
		problems = append(problems, problem.Of(err).At("body"))
	}
	if a.data, err = decoded(s.BodyBase64); err != nil {
		problems = append(problems, problem.Wrap(problem.Invalid, err, "this is no base64: %v. Write it in the standard alphabet", err).At("body_base64"))
	}
	if body := []byte(s.Body); !typed(s.Headers) && len(body)+len(a.data) > 0 {
		a.kind = kindOf(append(body, a.data...)) // one of both is empty
	}
	return a, problems
}

func decoded(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}
