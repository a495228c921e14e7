package core

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"proxycache/backend/atomicfile"
	"proxycache/backend/config"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// inlineMock is how large a body may be that stands in the configuration itself; a larger one goes
// to a file in the mocks folder.
const inlineMock = 16 << 10

// MockThis makes a captured exchange a mock in front of its route, on at once: the same method,
// path and query get the recorded answer.
func (c *Core) MockThis(_ context.Context, seq int64) (Place, error) {
	r, err := c.record(seq)
	if err != nil {
		return Place{}, err
	}
	if r.Status == 0 || r.Status == 101 || r.Door == flow.Tunnel || r.State == flow.Pending {
		return Place{}, problem.New(problem.Invalid, "Mocking #%d: it has no complete HTTP answer to give again. Choose an exchange that ended with a status.", seq)
	}
	if err := proper(r, "Mocking"); err != nil {
		return Place{}, err
	}
	settings, err := c.mockSettings(r)
	if err != nil {
		return Place{}, err
	}
	var place Place
	place.Revision, err = c.edit(func(doc *config.Document) error {
		i := mockRoute(doc, r)
		cell := config.Cell{ID: freeID(doc.Routes[i].Cells, "mock"), Use: "mock", When: mockCondition(r), Settings: settings}
		doc.Routes[i].Cells = slices.Insert(doc.Routes[i].Cells, mockIndex(doc.Routes[i].Cells), cell)
		place.Route, place.Cell = doc.Routes[i].Name, cell.ID
		return nil
	})
	return place, err
}

// mockIndex puts the youngest mock first among the mocks, behind the cells that come before them in
// the pipeline's usual order.
func mockIndex(cells []config.Cell) int {
	for i, c := range cells {
		if c.Use == "mock" {
			return i
		}
	}
	return len(cells)
}

// mockRoute finds the route that took r, or makes one for its host in front of all others. That new
// route has no upstream: what no mock answers goes where the client said.
func mockRoute(doc *config.Document, r *flow.Record) int {
	for i, route := range doc.Routes {
		if route.Name == r.Route && r.Route != "" {
			return i
		}
	}
	host, _ := flow.SplitAuthority(r.Authority)
	host = strings.ToLower(host)
	route := config.Route{Name: freeRoute(doc, routeName(host)), When: "host = " + quote(host)}
	doc.Routes = slices.Insert(doc.Routes, 0, route)
	return 0
}

func mockCondition(r *flow.Record) string {
	path, query, has := strings.Cut(r.Target, "?")
	when := fmt.Sprintf("method = %s and path = %s", r.Method, quote(path))
	if has {
		when += " and query = " + quote(query)
	}
	return when
}

// quote writes s as a string of the filter language.
func quote(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }

// mockSettings are the settings of a mock cell that answers as r was answered.
func (c *Core) mockSettings(r *flow.Record) (config.Settings, error) {
	if r.ResponseBody.Kept < r.ResponseBody.Size {
		return nil, problem.New(problem.Invalid, "Mocking #%d: only %d of its %d body bytes were kept. Raise capture.body_cap and capture it again.", r.Seq, r.ResponseBody.Kept, r.ResponseBody.Size)
	}
	s := config.Settings{"status": int64(r.Status)}
	_, fields := splitHead(r.ResponseHead)
	headers := []any{}
	drops := marked(r)
	for _, f := range fields {
		if name := strings.ToLower(f.Name); !mockDrops[name] && !drops[name] {
			value := strings.ReplaceAll(f.Value, "${", "${$}{") // as it came: not a place to fill
			headers = append(headers, map[string]any{"name": f.Name, "value": value})
		}
	}
	if len(headers) > 0 {
		s["headers"] = headers
	}
	return s, c.mockBody(s, r)
}

// mockDrops are fields that belong to the connection, are made anew for each answer, or tell what became
// of this one here: the cells in front of the mock tell it of the mock's own.
var mockDrops = map[string]bool{
	"content-length": true, "transfer-encoding": true, "connection": true, "keep-alive": true, "trailer": true,
	"date": true, "proxy-status": true, "alt-svc": true, "upgrade": true,
	"via": true, "age": true, "cache-status": true, "ratelimit": true, "ratelimit-policy": true,
	"x-ratelimit-limit": true, "x-ratelimit-remaining": true, "x-ratelimit-reset": true,
}

// marked are the fields that the cells that give ids put into the answer of r, by name in lower case.
func marked(r *flow.Record) map[string]bool {
	out := map[string]bool{}
	for _, s := range r.Trail {
		if s.Module != "requestid" || s.Response == nil {
			continue
		}
		for _, e := range s.Response.Header {
			out[strings.ToLower(e.Name)] = true
		}
	}
	return out
}

func (c *Core) mockBody(s config.Settings, r *flow.Record) error {
	if r.ResponseBody.Kept == 0 {
		return nil
	}
	body, err := c.openBody(r.ResponseBody)
	if err != nil {
		return err
	}
	defer body.Close()
	if r.ResponseBody.Kept > inlineMock {
		s["body_file"], err = c.mockFile(r, body)
		return err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if utf8.Valid(text) && !strings.ContainsAny(string(text), "\x00\r") && !strings.Contains(string(text), "${") {
		s["body"] = string(text)
	} else {
		s["body_base64"] = base64.StdEncoding.EncodeToString(text)
	}
	return nil
}

func (c *Core) mockFile(r *flow.Record, body io.Reader) (string, error) {
	dir := filepath.Join(c.options.Dir, "mocks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", problem.Wrap(problem.Unavailable, err, "Keeping the body of the mock: %v. Make room or change the permissions of %s.", err, dir)
	}
	path := filepath.Join(dir, r.ResponseBody.Hash[:min(16, len(r.ResponseBody.Hash))]+".body")
	err := atomicfile.Write(path, 0o600, func(w io.Writer) error { // it may be the body of a mock that answers just now
		_, err := io.Copy(w, body)
		return err
	})
	if err != nil {
		return "", problem.Wrap(problem.Unavailable, err, "Keeping the body of the mock in %s: %v. Make room on the disk.", path, err)
	}
	return path, nil
}

func freeID(cells []config.Cell, base string) string {
	taken := map[string]bool{}
	for _, c := range cells {
		taken[c.ID] = true
	}
	return free(base, taken)
}

func freeRoute(doc *config.Document, base string) string {
	taken := map[string]bool{}
	for _, r := range doc.Routes {
		taken[r.Name] = true
	}
	return free(base, taken)
}

// free is base, or base-2, base-3 and so on.
func free(base string, taken map[string]bool) string {
	name := base
	for n := 2; taken[name]; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return name
}

// routeName makes a route's name of a host: letters, digits and dashes.
func routeName(host string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, host), "-")
	if name == "" {
		return "route"
	}
	return name
}
