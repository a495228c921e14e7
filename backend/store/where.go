package store

import (
	"strconv"
	"strings"
	"time"

	"proxycache/backend/filter"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// where is a filter as a condition of SQL. SQLite's own functions decide wherever they see a text as
// filter.Match does, which is where it is ASCII without NUL: rows with other texts carry oddFlag.
// Those, regular expressions and header fields are decided in Go, by holds.
type where struct {
	store *Store
	text  strings.Builder
	args  []any
	tests []int64 // to forget at the end
}

// where translates expr; end frees what the query needed.
func (s *Store) where(expr filter.Expr) (*where, error) {
	w := &where{store: s}
	if expr != nil {
		if _, err := filter.Compile(expr); err != nil {
			return nil, problem.Wrap(problem.Invalid, err, "Filtering: %v. Correct the filter.", err)
		}
		w.expr(expr)
	}
	if s.removing.Load() {
		w.and("seq NOT IN (SELECT seq FROM removed)")
	}
	return w, nil
}

func (w *where) clause() string {
	if w.text.Len() == 0 {
		return ""
	}
	return " WHERE " + w.text.String()
}

func (w *where) and(condition string, args ...any) {
	if w.text.Len() > 0 {
		w.text.WriteString(" AND ")
	}
	w.add(condition, args...)
}

func (w *where) add(text string, args ...any) {
	w.text.WriteString(text)
	w.args = append(w.args, args...)
}

func (w *where) end() {
	for _, id := range w.tests {
		w.store.tests.Delete(id)
	}
}

func (w *where) expr(e filter.Expr) {
	switch e := e.(type) {
	case filter.And:
		w.pair(e.L, " AND ", e.R)
	case filter.Or:
		w.pair(e.L, " OR ", e.R)
	case filter.Not:
		w.add("(NOT ")
		w.expr(e.X)
		w.add(")")
	case filter.Test:
		w.test(e)
	}
}

func (w *where) pair(l filter.Expr, op string, r filter.Expr) {
	w.add("(")
	w.expr(l)
	w.add(op)
	w.expr(r)
	w.add(")")
}

// column is where a field is found.
type column struct {
	sql  string       // the field in a row of ASCII texts
	odd  string       // what Go is given for any row
	as   filter.Field // the field as which Go looks at it
	fold bool
}

const (
	hostSQL  = "ifnull(host, authority)"
	pathSQL  = "CASE instr(target, '?') WHEN 0 THEN target ELSE substr(target, 1, instr(target, '?') - 1) END"
	querySQL = "CASE instr(target, '?') WHEN 0 THEN '' ELSE substr(target, instr(target, '?') + 1) END"
	urlSQL   = "(scheme || '://' || authority || target)"
)

// columns of the fields whose values are text. A text that stands for itself is looked at as Method
// (which folds case) or Route (which does not).
var columns = map[filter.Field]column{
	filter.Method:         {sql: "method", as: filter.Method, fold: true},
	filter.Scheme:         {sql: "scheme", as: filter.Method, fold: true},
	filter.Host:           {sql: hostSQL, as: filter.Method, fold: true},
	filter.Type:           {sql: "type", as: filter.Method, fold: true},
	filter.Door:           {sql: "door", as: filter.Method, fold: true},
	filter.State:          {sql: "state", as: filter.Method, fold: true},
	filter.Path:           {sql: pathSQL, odd: "target", as: filter.Path},
	filter.Query:          {sql: querySQL, odd: "target", as: filter.Query},
	filter.URL:            {sql: urlSQL, as: filter.Route},
	filter.Route:          {sql: "route", as: filter.Route},
	filter.Client:         {sql: "client", as: filter.Route},
	filter.Mocked:         {sql: "CASE flags & 1 WHEN 0 THEN 'false' ELSE 'true' END", as: filter.Route},
	filter.Status:         {sql: "CAST(status AS TEXT)", as: filter.Route},
	filter.RequestSize:    {sql: "CAST(request_size AS TEXT)", as: filter.Route},
	filter.Size:           {sql: "CAST(response_size AS TEXT)", as: filter.Route},
	filter.Duration:       {odd: "CAST(micros AS TEXT)", as: filter.Duration},
	filter.RequestHeader:  {odd: "(SELECT request_head FROM details WHERE details.seq = exchanges.seq)", as: filter.RequestHeader},
	filter.ResponseHeader: {odd: "(SELECT response_head FROM details WHERE details.seq = exchanges.seq)", as: filter.ResponseHeader},
}

// numbers are the fields that are compared as numbers, as filter.Match computes them.
var numbers = map[filter.Field]string{
	filter.Status: "status", filter.Duration: "micros / 1000.0",
	filter.RequestSize: "CAST(request_size AS REAL)", filter.Size: "CAST(response_size AS REAL)",
}

func (w *where) test(t filter.Test) {
	number, isNumber := numbers[t.Field]
	c := columns[t.Field]
	switch {
	case isNumber && t.Op != filter.StartsWith && t.Op != filter.EndsWith && t.Op != filter.Contains && t.Op != filter.Matches:
		w.number(t, number)
	case t.Op == filter.Matches || c.sql == "" || oddValues(t.Values):
		w.holds(t, c)
	default:
		w.add("CASE WHEN flags & 2 THEN ")
		w.holds(t, c)
		w.add(" ELSE ")
		w.plain(t, c)
		w.add(" END")
	}
}

func oddValues(values []string) bool {
	for _, v := range values {
		if odd(v) {
			return true
		}
	}
	return false
}

// number compares a field with numbers and classes of statuses.
func (w *where) number(t filter.Test, field string) {
	op := string(t.Op)
	if t.Op == filter.In || t.Op == filter.NotEqual {
		op = "="
	}
	if t.Op == filter.NotEqual {
		w.add("NOT ")
	}
	w.add("(")
	for i, v := range t.Values {
		if i > 0 {
			w.add(" OR ")
		}
		if strings.HasSuffix(v, "xx") {
			from := float64(v[0]-'0') * 100
			w.add("("+field+" >= ? AND "+field+" < ?)", from, from+100)
			continue
		}
		n, _ := strconv.ParseFloat(v, 64) // the filter's parser has checked it
		w.add(field+" "+op+" ?", n)
	}
	w.add(")")
}

// plain compares ASCII with ASCII.
func (w *where) plain(t filter.Test, c column) {
	want := t.Values[0]
	fold := ""
	if c.fold {
		fold = " COLLATE NOCASE"
	}
	switch t.Op {
	case filter.StartsWith:
		w.add("substr("+c.sql+", 1, ?) = ?"+fold, len(want), want)
	case filter.EndsWith:
		if want == "" { // substr(x, 0) would be the whole
			w.add("1")
			return
		}
		w.add("substr("+c.sql+", ?) = ?"+fold, -len(want), want)
	case filter.Contains:
		w.add("instr(lower("+c.sql+"), ?) > 0", strings.ToLower(want))
	case filter.In:
		w.add(c.sql + fold + " IN (?" + strings.Repeat(", ?", len(t.Values)-1) + ")")
		for _, v := range t.Values {
			w.args = append(w.args, v)
		}
	case filter.Equal, filter.NotEqual:
		w.add(c.sql+" "+string(t.Op)+" ?"+fold, want)
	default: // <, <=, >, >= never fold
		w.add(c.sql+" "+string(t.Op)+" ?", want)
	}
}

// holds has a test decided in Go.
func (w *where) holds(t filter.Test, c column) {
	t.Field = c.as
	matcher, err := filter.Compile(t)
	if err != nil { // where has compiled all of it
		panic(err)
	}
	id := w.store.lastTest.Add(1)
	w.store.tests.Store(id, looking(matcher, c.as))
	w.tests = append(w.tests, id)
	text := c.odd
	if text == "" {
		text = c.sql
	}
	w.add("holds(?, "+text+")", id)
}

// looking puts a text where the matcher looks for it. Its record is used by one query, on one
// connection.
func looking(m *filter.Matcher, as filter.Field) func(string) bool {
	r := new(flow.Record)
	return func(text string) bool {
		switch as {
		case filter.Method:
			r.Method = text
		case filter.Route:
			r.Route = text
		case filter.Path, filter.Query:
			r.Target = text
		case filter.Duration:
			micros, _ := strconv.ParseInt(text, 10, 64) // SQLite wrote it
			r.Timing.Done = time.Duration(micros) * time.Microsecond
		case filter.RequestHeader:
			r.RequestHead = []byte(text)
		case filter.ResponseHeader:
			r.ResponseHead = []byte(text)
		}
		return m.MatchRecord(r)
	}
}

// holds is the SQL function of that name.
func (s *Store) holds(id int64, text string) bool {
	test, ok := s.tests.Load(id)
	return ok && test.(func(string) bool)(text)
}
