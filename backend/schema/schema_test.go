package schema

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"proxycache/backend/problem"
)

type base struct {
	Note string `toml:"note" help:"A note."`
}

type target struct {
	URL    string `toml:"url" required:"true" help:"Where."`
	Weight int    `toml:"weight" default:"1" min:"0" max:"100" help:"Share."`
}

type sample struct {
	base
	Limit    int      `toml:"limit" default:"100" min:"1" max:"1000" help:"How many." unit:"requests"`
	Share    float64  `toml:"share" min:"0" max:"1" help:"How much."`
	Small    uint8    `toml:"small" help:"A byte."`
	On       bool     `toml:"on" default:"true" help:"Whether."`
	Mode     string   `toml:"mode" oneof:"fast,slow" default:"fast" help:"How."`
	Window   Duration `toml:"window" default:"1m" min:"1s" max:"1d" help:"How long."`
	Cap      Size     `toml:"body_cap" default:"1MiB" max:"1GiB" help:"How big."`
	Names    []string `toml:"names" help:"Which."`
	Verbs    []string `toml:"verbs" default:"GET,HEAD" oneof:"GET,HEAD,POST" help:"Methods."`
	Add      []Pair   `toml:"add_header" help:"Fields."`
	Targets  []target `toml:"targets" max:"3" help:"Where to."`
	When     string   `toml:"only" kind:"filter" help:"For which."`
	Body     string   `toml:"body" kind:"code" placeholder:"{}" help:"What." title:"Answer"`
	Internal int
}

func (s *sample) Check() []*problem.Problem {
	if s.Mode == "slow" && s.Limit > 500 {
		return []*problem.Problem{problem.New(problem.Invalid, "slow mode takes at most 500: lower limit").At("limit")}
	}
	return nil
}

func TestFieldsComeFromTheTags(t *testing.T) {
	fields := Of(&sample{})
	var names []string
	for _, f := range fields {
		names = append(names, f.Name+":"+string(f.Kind))
	}
	want := "note:text limit:int share:float small:int on:bool mode:choice window:duration body_cap:size " +
		"names:list verbs:list add_header:pairs targets:tables only:filter body:code"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("fields are\n%s, want\n%s", got, want)
	}
	if f := fields[1]; f.Title != "Limit" || f.Default != "100" || f.Min != "1" || f.Max != "1000" || f.Unit != "requests" {
		t.Errorf("limit is %+v", f)
	}
	if f := fields[10]; f.Title != "Add header" || f.OneOf == nil || f.Fields == nil {
		t.Errorf("add_header is %+v", f)
	}
	if f := fields[11]; len(f.Fields) != 2 || !f.Fields[0].Required {
		t.Errorf("targets is %+v", f)
	}
	if f := fields[13]; f.Title != "Answer" || f.Placeholder != "{}" {
		t.Errorf("body is %+v", f)
	}
}

func TestDefaultsReplaceWhatWasThere(t *testing.T) {
	s := sample{Limit: 3, Names: []string{"x"}, Internal: 7}
	Defaults(&s)
	want := sample{Limit: 100, On: true, Mode: "fast", Window: Duration(time.Minute), Cap: 1 << 20,
		Verbs: []string{"GET", "HEAD"}, Internal: 7}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("defaults are %+v", s)
	}
}

func TestDecodeReadsWhatTOMLAndJSONHold(t *testing.T) {
	var s sample
	list := Decode("cells.1", map[string]any{
		"note": "n", "limit": 5.0, "share": int64(1), "small": int64(255), "on": false, "mode": "slow", "window": "2h",
		"body_cap": int64(4096), "names": []any{"a"}, "verbs": []any{},
		"add_header": map[string]any{"B": "2", "A": "1"},
		"targets":    []any{map[string]any{"url": "http://a"}, map[string]any{"url": "http://b", "weight": int64(2)}},
	}, &s)
	want := sample{base: base{"n"}, Limit: 5, Share: 1, Small: 255, Mode: "slow", Window: Duration(2 * time.Hour), Cap: 4096,
		Names: []string{"a"}, Add: []Pair{{"A", "1"}, {"B", "2"}}, Targets: []target{{"http://a", 1}, {"http://b", 2}}}
	if list != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("decoded %+v, %v", s, list)
	}
}

func TestDecodeSaysExactlyWhatDoesNotFit(t *testing.T) {
	cases := []struct {
		key   string
		value any
		want  string
	}{
		{"limit", "abc", `c.limit: limit is "abc", a whole number is needed`},
		{"limit", 1.5, `c.limit: limit is 1.5, a whole number is needed`},
		{"limit", int64(0), `c.limit: limit is 0, a value between 1 and 1000 is needed`},
		{"small", int64(256), `c.small: small is 256, which is out of range: use a number nearer to 0`},
		{"share", math.NaN(), `c.share: share is NaN, a number is needed`},
		{"share", 1.01, `c.share: share is 1.01, a value between 0 and 1 is needed`},
		{"on", "yes", `c.on: on is "yes", true or false is needed`},
		{"mode", "fats", `c.mode: mode is "fats": did you mean "fast"? The choices are fast, slow`},
		{"mode", "medium", `c.mode: mode is "medium": choose one of fast, slow`},
		{"window", int64(60), `c.window: window is 60, a duration such as "250ms" or "1m" is needed`},
		{"window", "2d", `c.window: window is 2d, a value between 1s and 1d is needed`},
		{"body_cap", "2GiB", `c.body_cap: body_cap is 2GiB, a value of at most 1GiB is needed`},
		{"body_cap", int64(-1), `c.body_cap: body_cap is -1, a size such as "64KiB" or "10MB" is needed`},
		{"names", "a", `c.names: names is "a", a list such as ["a", "b"] is needed`},
		{"names", []any{"a", int64(1)}, `c.names.2: entry 2 of names is 1, a text in quotes is needed`},
		{"verbs", []any{"PSOT"}, `c.verbs.1: verbs is "PSOT": did you mean "POST"? The choices are GET, HEAD, POST`},
		{"add_header", map[string]any{"A": true}, `c.add_header.A: A is true, a text in quotes is needed`},
		{"add_header", "x", `c.add_header: add_header is "x", a table such as { a = "b" } is needed`},
		{"targets", []any{"x"}, `c.targets.1: entry 1 of targets is "x", a table is needed: write it as { url = … }`},
		{"targets", []any{map[string]any{}}, `c.targets.1.url: url is missing: a text in quotes is needed`},
		{"targets", []any{map[string]any{"url": ""}}, `c.targets.1.url: url is empty: a text in quotes is needed`},
		{"targets", []any{map[string]any{"url": "x", "wieght": int64(1)}}, `c.targets.1.wieght: there is no setting "wieght": did you mean "weight"?`},
		{"targets", make([]any, 4), `c.targets: targets has 4 entries, a number of them of at most 3 is needed`},
		{"limti", int64(1), `c.limti: there is no setting "limti": did you mean "limit"?`},
		{"note", nil, `c.note: note is nothing, a text in quotes is needed`},
	}
	for _, c := range cases {
		var s sample
		if got := Decode("c", map[string]any{c.key: c.value}, &s).Error(); got != c.want {
			t.Errorf("%s = %v:\n got %s\nwant %s", c.key, c.value, got, c.want)
		}
	}
}

func TestRulesAcrossFieldsAreAskedWhenEachFieldFits(t *testing.T) {
	var s sample
	got := Decode("routes.api.cells.2", map[string]any{"mode": "slow", "limit": int64(501)}, &s).Error()
	if got != "routes.api.cells.2.limit: slow mode takes at most 500: lower limit" {
		t.Error(got)
	}
	if list := Decode("", map[string]any{"mode": "slow", "limit": int64(2000)}, &s); len(list) != 1 || list[0].Where != "limit" {
		t.Error(list)
	}
}

func TestSettingsSurviveEncodeAndDecode(t *testing.T) {
	text := rapid.StringN(0, 20, -1)
	rapid.Check(t, func(t *rapid.T) {
		s := sample{
			base:  base{text.Draw(t, "note")},
			Limit: rapid.IntRange(1, 400).Draw(t, "limit"), Share: rapid.Float64Range(0, 1).Draw(t, "share"),
			Small: rapid.Uint8().Draw(t, "small"), On: rapid.Bool().Draw(t, "on"),
			Mode:   rapid.SampledFrom([]string{"fast", "slow"}).Draw(t, "mode"),
			Window: Duration(rapid.Int64Range(int64(time.Second), int64(24*time.Hour)).Draw(t, "window")),
			Cap:    Size(rapid.Int64Range(0, 1<<30).Draw(t, "cap")),
			Names:  rapid.SliceOf(text).Draw(t, "names"),
			Verbs:  rapid.SliceOf(rapid.SampledFrom([]string{"GET", "HEAD", "POST"})).Draw(t, "verbs"),
			Add:    rapid.SliceOf(rapid.Custom(func(t *rapid.T) Pair { return Pair{text.Draw(t, "n"), text.Draw(t, "v")} })).Draw(t, "add"),
			Targets: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) target {
				return target{"u" + text.Draw(t, "url"), rapid.IntRange(0, 100).Draw(t, "weight")}
			}), 0, 3).Draw(t, "targets"),
			When: text.Draw(t, "when"), Body: text.Draw(t, "body"),
		}
		var back sample
		if list := Decode("", Encode(&s), &back); list != nil {
			t.Fatal(list)
		}
		for v, i := reflect.ValueOf(&s).Elem(), 0; i < v.NumField(); i++ {
			if f := v.Field(i); f.Kind() == reflect.Slice && f.Len() == 0 {
				f.SetZero()
			}
		}
		if !reflect.DeepEqual(s, back) {
			t.Fatalf("%+v came back as %+v", s, back)
		}
	})
}

func TestOnlyWhatDiffersFromTheDefaultsIsWritten(t *testing.T) {
	var s sample
	Defaults(&s)
	if got := Encode(&s); len(got) != 0 {
		t.Errorf("the defaults are written as %v", got)
	}
	s.Verbs, s.Cap = nil, 5000
	if got, want := Encode(&s), map[string]any{"verbs": []any{}, "body_cap": "5kB"}; !reflect.DeepEqual(got, want) {
		t.Errorf("written %v, want %v", got, want)
	}
}

func TestMistakesInTheTagsStopTheProgram(t *testing.T) {
	for name, settings := range map[string]any{
		"default": &struct {
			N int `toml:"n" default:"many"`
		}{},
		"kind": &struct {
			M map[string]int `toml:"m"`
		}{},
		"no pointer": struct{}{},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			Defaults(settings)
		}()
	}
}

func TestASuggestionIsNearOrNotMade(t *testing.T) {
	known := []string{"ratelimit", "headers", "requestid", "mock", "fault", "on"}
	for word, want := range map[string]string{
		"ratelimt": "ratelimit", "rate_limit": "ratelimit", "Header": "headers", "mcok": "mock", "request-id": "requestid",
		"zzz": "", "": "", "x": "", "falut": "fault", strings.Repeat("a", 1000): "",
	} {
		if got := Suggest(word, known); got != want {
			t.Errorf("%q suggests %q, want %q", word, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		k := slices.Clone(known)
		if w := rapid.SampledFrom(k).Draw(t, "word"); Suggest(w, k) != w {
			t.Fatalf("%q does not suggest itself", w)
		}
	})
}
