package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"proxycache/backend/core"
	"proxycache/backend/problem"
)

// call decodes the one argument, calls, and returns what is to be encoded.
type call func(ctx context.Context, argument []byte) (any, error)

// typed makes a call of a method of core. A method without an argument takes null.
func typed[In, Out any](method func(context.Context, In) (Out, error)) call {
	return func(ctx context.Context, argument []byte) (any, error) {
		var in In
		d := json.NewDecoder(bytes.NewReader(argument))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			return nil, problem.Wrap(problem.Invalid, err, "Reading the argument: %v. Send one JSON value of the type in frontend/src/api/backend.ts.", err)
		}
		return method(ctx, in)
	}
}

// calls are the methods by the names of frontend/src/api/backend.ts.
func calls(c *core.Core) map[string]call {
	return map[string]call{
		"status":         typed(c.Status),
		"setRecording":   typed(c.SetRecording),
		"exchanges":      typed(c.Exchanges),
		"exchange":       typed(c.Exchange),
		"remove":         typed(c.Remove),
		"undoRemove":     typed(c.UndoRemove),
		"checkFilter":    typed(c.CheckFilter),
		"replay":         typed(c.Replay),
		"curl":           typed(c.Curl),
		"mockThis":       typed(c.MockThis),
		"catalogue":      typed(c.Catalogue),
		"config":         typed(c.Config),
		"check":          typed(c.Check),
		"apply":          typed(c.Apply),
		"figures":        typed(c.Figures),
		"probe":          typed(c.Probe),
		"ports":          typed(c.Ports),
		"putInFront":     typed(c.PutInFront),
		"programs":       typed(c.Programs),
		"launch":         typed(c.Launch),
		"terminalLine":   typed(c.TerminalLine),
		"startDemo":      typed(c.StartDemo),
		"stopDemo":       typed(c.StopDemo),
		"cells":          typed(c.Cells),
		"actOnCell":      typed(c.ActOnCell),
		"preferences":    typed(c.Preferences),
		"setPreferences": typed(c.SetPreferences),
	}
}

// Calls are the names of the methods, sorted.
func Calls() []string {
	var names []string
	for name := range calls(nil) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// maxArgument bounds a call: an edited request's body comes in it.
const maxArgument = 32 << 20

func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	do, ok := s.calls[r.PathValue("name")]
	if !ok {
		answerProblem(w, http.StatusNotFound, problem.New(problem.NotFound, "Calling %q: there is no such method. The methods are those of frontend/src/api/backend.ts.", r.PathValue("name")))
		return
	}
	argument, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxArgument))
	if err != nil {
		answerProblem(w, http.StatusRequestEntityTooLarge, problem.Wrap(problem.Invalid, err, "Reading the argument: %v. At most 32 MiB are taken.", err))
		return
	}
	out, err := do(r.Context(), argument)
	if err != nil {
		answerProblem(w, core.StatusOf(err), err)
		return
	}
	answer(w, http.StatusOK, out)
}

func answerProblem(w http.ResponseWriter, status int, err error) {
	answer(w, status, struct {
		Problem core.Problem `json:"problem"`
	}{core.ProblemOf(err)})
}

func answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "Encoding the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the reader may have left
}

// export streams a file. What fails on the way breaks the connection off, so that half a file is not
// taken for a whole one.
func (s *Server) export(w http.ResponseWriter, r *http.Request) {
	var request core.ExportRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxArgument)).Decode(&request); err != nil {
		answerProblem(w, http.StatusBadRequest, problem.Wrap(problem.Invalid, err, "Reading what to export: %v.", err))
		return
	}
	out := &exportWriter{w: w, name: core.ExportName(request)}
	switch err := s.core.Export(r.Context(), request, out); {
	case err == nil:
	case !out.begun:
		answerProblem(w, core.StatusOf(err), err)
	default:
		panic(http.ErrAbortHandler)
	}
}

// exportWriter sends the head of the answer with the first byte: an error before it is still told.
type exportWriter struct {
	w     http.ResponseWriter
	name  string
	begun bool
}

func (e *exportWriter) Write(p []byte) (int, error) {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", "application/json")
		e.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", e.name))
	}
	return e.w.Write(p)
}

// heartbeat keeps the stream of news alive through quiet times.
const heartbeat = 15 * time.Second

// news streams core's news as server-sent events. A reader that was too slow is told by a reset.
func (s *Server) news(w http.ResponseWriter, r *http.Request) {
	listener := s.core.News.Listen(64)
	defer listener.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	text := []byte(": listening\n\n")
	for {
		if _, err := w.Write(text); err != nil {
			return
		}
		if err := out.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.closing:
			return
		case <-beat.C:
			text = []byte(": still here\n\n")
		case news := <-listener.C:
			news.Reset = news.Reset || listener.Missed() > 0
			data, err := json.Marshal(news)
			if err != nil {
				return // plain structs always encode
			}
			text = fmt.Appendf(nil, "data: %s\n\n", data)
		}
	}
}
