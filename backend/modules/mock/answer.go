package mock

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/template"
)

// answerer is the running policy.
type answerer struct {
	status int
	kind   string // the Content-Type, where the headers have none
	fields []template.Field
	text   template.Template
	data   []byte
	file   string
	delay  time.Duration
}

func (a *answerer) Apply(x *flow.Exchange, _ policy.Next) (*flow.Response, error) {
	if err := a.wait(x); err != nil {
		return nil, err
	}
	r, err := a.respond(x)
	if err != nil {
		return nil, err
	}
	x.Mocked = true
	x.Note("status", strconv.Itoa(a.status))
	if r.ContentLength > 0 {
		x.Note("body", strconv.FormatInt(r.ContentLength, 10)+" bytes")
	}
	return r, nil
}

func (a *answerer) wait(x *flow.Exchange) error {
	if a.delay == 0 {
		return nil
	}
	x.Note("delay", a.delay.String())
	timer := time.NewTimer(a.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-x.Context().Done():
		return problem.Wrap(problem.ClientLeft, x.Context().Err(), "Mocking %s %s: the client left before the answer. Make the delay shorter than the client's patience.", x.Request.Method, x.Request.URL())
	}
}

func (a *answerer) respond(x *flow.Exchange) (*flow.Response, error) {
	r := &flow.Response{Status: a.status, Proto: "HTTP/1.1", Body: flow.NoBody}
	for _, f := range a.fields {
		r.Header.Add(f.Name, f.Fill(x, nil))
	}
	if a.kind != "" {
		r.Header.Add("Content-Type", a.kind)
	}
	if err := a.fill(r, x); err != nil {
		return nil, err
	}
	if x.Request.Method == "HEAD" { // the head tells the length of what GET would get (RFC 9110 §9.3.2)
		_ = r.Body.Close() // nothing was read from it
		r.Body = flow.NoBody
	}
	return r, nil
}

func (a *answerer) fill(r *flow.Response, x *flow.Exchange) error {
	if a.file != "" {
		f, size, err := open(a.file)
		if err != nil {
			return err
		}
		r.Body, r.ContentLength = &fileBody{io.LimitedReader{R: f, N: size}, f}, size
		x.Note("file", a.file)
		return nil
	}
	data := a.data
	if text := a.text.Fill(x, nil); text != "" {
		data = []byte(text)
	}
	if len(data) > 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	}
	return nil
}

// fileBody ends where the file ended when it was opened: a file that grows meanwhile must not send
// more than the head promises.
type fileBody struct {
	io.LimitedReader
	file *os.File
}

func (b *fileBody) Close() error { return b.file.Close() }

// open opens an ordinary file and tells its size.
func open(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, problem.Wrap(problem.Unavailable, err, "Opening the body of a mock: %v. Put the file there, or name another in body_file.", err)
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		return f, info.Size(), nil
	}
	_ = f.Close() // nothing was read from it
	return nil, 0, problem.Wrap(problem.Unavailable, err, "Opening the body of a mock: %s is no ordinary file. Name another in body_file.", path)
}
