package config

import (
	"regexp"
	"strconv"
	"strings"

	"proxycache/backend/problem"
)

// variable is ${NAME} or ${NAME:-default}. Names are upper case: ${client.ip} and its like belong to
// the modules.
var variable = regexp.MustCompile(`\$\{([A-Z_][A-Z0-9_]*)(:-([^}]*))?\}`)

// Expanded is a copy with the variables of every text replaced, and with every scalar that the
// document writes overridden by the variable of its path: PROXYCACHE_LISTEN_0_ADDRESS,
// PROXYCACHE_CAPTURE_BODY_CAP, PROXYCACHE_ROUTES_SHOP_API_TO, PROXYCACHE_ROUTES_SHOP_API_CELLS_MOCK_STATUS.
// A variable that is not set and has no default is a problem.
func (d *Document) Expanded(lookup func(string) (string, bool)) (*Document, problem.List) {
	x := expander{lookup: lookup}
	out := d.Clone()
	x.texts("trusted", "TRUSTED", out.Trusted)
	x.texts("pass_through", "PASS_THROUGH", out.PassThrough)
	for i := range out.Listen {
		l, where, env := &out.Listen[i], "listen."+strconv.Itoa(i+1), "LISTEN_"+strconv.Itoa(i)
		x.text(where+".address", env+"_ADDRESS", &l.Address)
		x.texts(where+".accept", env+"_ACCEPT", l.Accept)
		l.ProxyProtocol, _ = x.value(where+".proxy_protocol", env+"_PROXY_PROTOCOL", l.ProxyProtocol).(bool) // as it was given
		x.text(where+".username", env+"_USERNAME", &l.Username)
		x.text(where+".password", env+"_PASSWORD", &l.Password)
	}
	for name, s := range out.Sections {
		x.settings(name, variableName(name), s)
	}
	for _, u := range out.Upstreams {
		x.settings("upstreams."+u.Name, variableName("upstreams."+u.Name), u.Settings)
	}
	x.cells("", "CELLS_", out.Cells)
	for i := range out.Routes {
		r := &out.Routes[i]
		where, env := "routes."+r.Name, variableName("routes."+r.Name)
		x.text(where+".when", env+"_WHEN", &r.When)
		x.text(where+".to", env+"_TO", &r.To)
		x.texts(where+".lenient", env+"_LENIENT", r.Lenient)
		x.cells(r.Name, env+"_CELLS_", r.Cells)
	}
	return out, x.problems
}

type expander struct {
	lookup   func(string) (string, bool)
	problems problem.List
}

func variableName(path string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

func (x *expander) cells(route, env string, cells []Cell) {
	for i := range cells {
		c := &cells[i]
		where, env := CellPath(route, i), env+variableName(c.ID)
		x.text(where+".when", env+"_WHEN", &c.When)
		x.settings(where, env, c.Settings)
	}
}

func (x *expander) text(where, env string, s *string) {
	if v, ok := x.lookup("PROXYCACHE_" + env); ok {
		*s = v
		return
	}
	*s = x.replaced(where, *s)
}

func (x *expander) texts(where, env string, list []string) {
	for i := range list {
		x.text(where, env+"_"+strconv.Itoa(i), &list[i])
	}
}

func (x *expander) settings(where, env string, s Settings) {
	for key, v := range s {
		s[key] = x.value(joinPath(where, key), env+"_"+variableName(key), v)
	}
}

func (x *expander) value(where, env string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		x.settings(where, env, v)
		return v
	case []any:
		for i := range v {
			v[i] = x.value(joinPath(where, strconv.Itoa(i+1)), env+"_"+strconv.Itoa(i), v[i])
		}
		return v
	}
	if given, ok := x.lookup("PROXYCACHE_" + env); ok {
		return x.converted(where, given, v)
	}
	if s, ok := v.(string); ok {
		return x.replaced(where, s)
	}
	return v
}

// converted is a variable's text as the type that the document has there.
func (x *expander) converted(where, given string, as any) any {
	var v any
	var err error
	switch as.(type) {
	case int64:
		v, err = strconv.ParseInt(given, 10, 64)
	case float64:
		v, err = strconv.ParseFloat(given, 64)
	case bool:
		v, err = strconv.ParseBool(given)
	default:
		return given
	}
	if err != nil {
		x.problems = append(x.problems, problem.New(problem.Invalid, "the variable that overrides this holds %q, where the file has %v: set it to a value of that kind", given, as).At(where))
		return as
	}
	return v
}

func (x *expander) replaced(where, s string) string {
	if !strings.Contains(s, "${") {
		return s
	}
	return variable.ReplaceAllStringFunc(s, func(found string) string {
		m := variable.FindStringSubmatch(found)
		if v, ok := x.lookup(m[1]); ok {
			return v
		}
		if m[2] == "" {
			x.problems = append(x.problems, problem.New(problem.Invalid, "the variable %s is not set: set it, or write ${%s:-default}", m[1], m[1]).At(where))
		}
		return m[3]
	})
}

// Clone is an independent copy, numbers in the types of TOML: whole ones int64.
func (d *Document) Clone() *Document {
	out := *d
	out.Trusted = append([]string{}, d.Trusted...)
	out.PassThrough = append([]string{}, d.PassThrough...)
	out.Listen = append([]Listen{}, d.Listen...)
	for i := range out.Listen {
		out.Listen[i].Accept = append([]string{}, out.Listen[i].Accept...)
	}
	out.Sections = map[string]Settings{}
	for name, s := range d.Sections {
		out.Sections[name] = cloneSettings(s)
	}
	out.Upstreams = append([]Upstream{}, d.Upstreams...)
	for i := range out.Upstreams {
		out.Upstreams[i].Settings = cloneSettings(out.Upstreams[i].Settings)
	}
	out.Cells = cloneCells(d.Cells)
	out.Routes = append([]Route{}, d.Routes...)
	for i := range out.Routes {
		out.Routes[i].Lenient = append([]string{}, out.Routes[i].Lenient...)
		out.Routes[i].Cells = cloneCells(out.Routes[i].Cells)
	}
	return &out
}

func cloneCells(cells []Cell) []Cell {
	out := append([]Cell{}, cells...)
	for i := range out {
		out[i].Settings = cloneSettings(out[i].Settings)
	}
	return out
}

func cloneSettings(s Settings) Settings {
	out := Settings{}
	for k, v := range s {
		out[k] = cloneValue(v)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneSettings(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cloneValue(v[i])
		}
		return out
	case int:
		return int64(v)
	case float64: // JSON has one type of number
		if n := int64(v); float64(n) == v && n < 1<<53 && n > -1<<53 {
			return n
		}
	}
	return v
}
