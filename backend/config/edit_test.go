package config

import (
	"bytes"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"proxycache/backend/flow"
)

// Whatever a window makes of a document, the edited text reads back as exactly that.
func TestAnyEditReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was := drawn(t, "was")
		text := []byte("version = 1\n")
		text, err := Edit(text, &Document{Version: 1, Sections: map[string]Settings{}}, was)
		if err != nil {
			t.Fatal(err)
		}
		text = withComments(t, text)
		was = reread(t, text, was)
		now := drawn(t, "now")
		after, err := Edit(text, was, now)
		if err != nil {
			t.Fatal(err)
		}
		reread(t, after, now)
	})
}

// What is as it is by default may be written; turning it on does not write it twice.
func TestADefaultThatIsWrittenIsReplaced(t *testing.T) {
	text := strings.Replace(sound, "[\"reverse\"]\n", "[\"reverse\"]\nproxy_protocol = false # not yet\nusername = \"\"\n", 1)
	text = "trusted = [\"10.0.0.1\"]\n" + strings.Replace(text, "to = \"shop\"\n", "to = \"shop\"\noff = false\nwhen = \"\"\n", 1)
	was := parsed(t, text)
	now := was.Clone()
	now.Listen[0].ProxyProtocol, now.Routes[0].Off, now.Routes[0].When = true, true, "method = GET"
	got, err := Edit([]byte(text), was, now)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("proxy_protocol = false", "proxy_protocol = true", "off = false", "off = true", `when = ""`, `when = "method = GET"`).Replace(text)
	if string(got) != want {
		t.Errorf("became\n%s\nwant\n%s", got, want)
	}
}

// A new table has one blank line before and behind it, and is gone without a trace when it is removed.
func TestWhatIsAddedAndRemovedLeavesNoTrace(t *testing.T) {
	const route = "version = 1\n\n[[listen]]\naddress = \"127.0.0.1:8080\"\naccept = [\"reverse\"]\n\n# shop\n[[routes]]\nname = \"shop\"\n\n  [[routes.cells]]\n  use = \"headers\"\n"
	texts := map[string]string{
		"usual":        route + "\n[[routes]]\nname = \"rest\"\n",
		"default":      string(Default()),
		"tail":         route + "\n[[routes]]\nname = \"rest\"\n\n\n",
		"without room": "version = 1\n\n[[listen]]\naddress = \"127.0.0.1:8080\"\naccept = [\"reverse\"]\n\n[[routes]]\nname = \"shop\"\n",
		"roomy":        strings.ReplaceAll(route, "\n\n", "\n\n\n"),
		"a remark":     route + "\n# the end\n",
	}
	more := Cell{ID: "mock", Use: "mock", Settings: Settings{"status": int64(204)}}
	changes := map[string]func(*Document){
		"a first route": func(d *Document) { d.Routes = slices.Insert(d.Routes, 0, Route{Name: "new", Cells: []Cell{more}}) },
		"a last route":  func(d *Document) { d.Routes = append(d.Routes, Route{Name: "new"}) },
		"a first cell":  func(d *Document) { d.Routes[0].Cells = slices.Insert(d.Routes[0].Cells, 0, more) },
		"a last cell":   func(d *Document) { d.Routes[0].Cells = append(d.Routes[0].Cells, more) },
		"a common cell": func(d *Document) { d.Cells = append(d.Cells, more) },
		"an upstream": func(d *Document) {
			d.Upstreams = append(d.Upstreams, Upstream{Name: "new", Settings: Settings{"targets": []any{map[string]any{"url": "http://127.0.0.1:1"}}}})
		},
		"a section": func(d *Document) { d.Sections["capture"] = Settings{"body_cap": "1MiB"} },
	}
	for kind, text := range texts {
		for name, change := range changes {
			was := parsed(t, text)
			now := was.Clone()
			change(now)
			added, err := Edit([]byte(text), was, now)
			if err != nil {
				t.Fatal(err)
			}
			if kind != "roomy" && strings.Contains(strings.TrimRight(string(added), "\n"), "\n\n\n") {
				t.Errorf("%s in the %s one: two blank lines in\n%s", name, kind, added)
			}
			for above, line := range pairsOf(string(added)) {
				if header := strings.HasPrefix(strings.TrimSpace(line), "["); header && above != "" && !strings.HasPrefix(strings.TrimSpace(above), "#") {
					t.Errorf("%s in the %s one: no blank line before %s in\n%s", name, kind, line, added)
				}
			}
			back, err := Edit(added, parsed(t, string(added)), was)
			if err != nil {
				t.Fatal(err)
			}
			if string(back) != text {
				t.Errorf("%s in the %s one, removed again, left\n%q\nof\n%q", name, kind, back, text)
			}
		}
	}
}

// pairsOf are the lines of a text, each with the one above it.
func pairsOf(text string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		above := ""
		for line := range strings.SplitSeq(text, "\n") {
			if !yield(above, line) {
				return
			}
			above = line
		}
	}
}

// withComments puts a remark behind some lines that are blank, as people do.
func withComments(t *rapid.T, text []byte) []byte {
	var b strings.Builder
	inText := false
	for line := range strings.Lines(string(text)) {
		if strings.Count(line, "'''")%2 == 1 {
			inText = !inText
		}
		b.WriteString(line)
		if !inText && strings.TrimSpace(line) == "" && rapid.Bool().Draw(t, "remark") {
			b.WriteString("# a remark: [x] = 'y'\n")
		}
	}
	return []byte(b.String())
}

func reread(t *rapid.T, text []byte, want *Document) *Document {
	got, list := Parse("config.toml", text, catalogue())
	if len(list) > 0 {
		t.Fatalf("%v\nin\n%s", list, text)
	}
	if a, b := told(got), told(want); a != b {
		t.Fatalf("reads back as\n%s\nwant\n%s\nfrom\n%s", a, b, text)
	}
	return got
}

// told is a document with what is implied written out, to compare.
func told(d *Document) string {
	d = d.Clone()
	implyIDs(d.Cells)
	for i := range d.Routes {
		implyIDs(d.Routes[i].Cells)
	}
	return fmt.Sprintf("%v %v %v %v %v %v %+v", d.Trusted, d.PassThrough, d.Listen, d.Sections, d.Upstreams, d.Cells, d.Routes)
}

var words = rapid.SampledFrom([]string{
	"plain", "", "it's", `"quoted"`, "two\nlines", "two\nlines\n", "'''", "tab\there", "back\\slash", "${method}", "Zoë ☂", "\r\n", "#x", "[a]", "a = b", "\x01",
})

func drawn(t *rapid.T, label string) *Document {
	d := &Document{Version: 1, Sections: map[string]Settings{}}
	d.Listen = []Listen{{Address: "127.0.0.1:" + rapid.SampledFrom([]string{"8080", "9090"}).Draw(t, label), Accept: []string{"reverse"}}}
	if rapid.Bool().Draw(t, label) {
		d.Trusted = []string{"10.0.0.0/8"}
		d.Listen[0].ProxyProtocol = rapid.Bool().Draw(t, label)
	}
	if rapid.Bool().Draw(t, label) {
		l := &d.Listen[0]
		l.Accept = []string{"forward", "socks5"}
		l.Username, l.Password = "me", rapid.SampledFrom([]string{"plain", "it's", `"quoted"`, "Zoë ☂", "#x", "back\\slash"}).Draw(t, label)
	}
	if rapid.Bool().Draw(t, label) {
		d.Sections["capture"] = Settings{"body_cap": rapid.SampledFrom([]string{"1MiB", "2MiB"}).Draw(t, label)}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, label) {
		d.Upstreams = append(d.Upstreams, Upstream{Name: fmt.Sprintf("up%d", i), Settings: Settings{
			"targets": []any{map[string]any{"url": "http://127.0.0.1:" + rapid.StringMatching(`[1-9][0-9]{3}`).Draw(t, label), "weight": int64(rapid.IntRange(1, 5).Draw(t, label))}},
		}})
	}
	d.Cells = drawnCells(t, label)
	names := rapid.Permutation([]string{"shop", "api", "x-1"}).Draw(t, label)
	for _, name := range names[:rapid.IntRange(0, 3).Draw(t, label)] {
		r := Route{Name: name, Off: rapid.Bool().Draw(t, label), Cells: drawnCells(t, label)}
		if rapid.Bool().Draw(t, label) {
			r.When = `host = "a.localhost" and path ^= "/v1"`
		}
		if len(d.Upstreams) > 0 && rapid.Bool().Draw(t, label) {
			r.To = d.Upstreams[0].Name
		}
		if rapid.Bool().Draw(t, label) {
			r.Lenient = flow.ToleranceNames()[:rapid.IntRange(0, 3).Draw(t, label)]
		}
		d.Routes = append(d.Routes, r)
	}
	return d
}

func drawnCells(t *rapid.T, label string) []Cell {
	var out []Cell
	for i := range rapid.IntRange(0, 3).Draw(t, label) {
		c := Cell{ID: rapid.SampledFrom([]string{fmt.Sprintf("mock-%d", i+1), fmt.Sprintf("own%d", i)}).Draw(t, label), Use: "mock", Settings: Settings{}}
		if i == 0 && rapid.Bool().Draw(t, label) {
			c.ID = "mock"
		}
		c.Off = rapid.Bool().Draw(t, label)
		if rapid.Bool().Draw(t, label) {
			c.Settings["status"] = int64(rapid.IntRange(100, 599).Draw(t, label))
		}
		if rapid.Bool().Draw(t, label) {
			c.Settings["body"] = words.Draw(t, label)
		}
		if rapid.Bool().Draw(t, label) {
			c.Settings["headers"] = []any{map[string]any{"name": "X-A", "value": words.Draw(t, label)}}
		}
		out = append(out, c)
	}
	return out
}

// No text makes the reader fall over, and one that it accepts can be edited to itself.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sound))
	f.Add(Default())
	f.Add([]byte("version = 1\n[[listen]]\naddress = \"x:1\"\naccept = []\n[routes]\n"))
	f.Add([]byte("a.b.c = 1\n[a]\nb = { c = [1, {d = 2}] }\n[[a.b]]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, list := Parse("config.toml", text, catalogue())
		for _, p := range list {
			if p.Message == "" || p.Line < 0 || p.Line > 1+bytes.Count(text, []byte("\n")) {
				t.Errorf("problem %+v has no place in %q", p, text)
			}
		}
		if len(list) > 0 {
			return
		}
		if out, err := Edit(text, doc, doc); err == nil && !reflect.DeepEqual(out, text) {
			t.Errorf("an edit that changes nothing made %q of %q", out, text)
		}
	})
}
