package config

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// answer stands for a module with settings of several kinds.
type answer struct {
	policy.Settings
	Status  int           `toml:"status" default:"200" min:"100" max:"599" help:"The status."`
	Body    string        `toml:"body" help:"The body."`
	Headers []schema.Pair `toml:"headers" help:"The fields."`
	Names   []string      `toml:"names" help:"Names."`
	Pool    string        `toml:"pool" help:"Whom it asks."`
}

func (a *answer) SendsTo() (key, pool string) { return "pool", a.Pool }

type pool struct {
	Targets []struct {
		URL    string `toml:"url" required:"true" help:"Where it is."`
		Weight int    `toml:"weight" default:"1" min:"1" help:"Its share."`
	} `toml:"targets" required:"true" help:"The servers."`
}

type capture struct {
	BodyCap      schema.Size `toml:"body_cap" default:"10MiB" help:"How much is kept."`
	MaxExchanges int         `toml:"max_exchanges" default:"1000000" help:"How many."`
}

func catalogue() Catalogue {
	return Catalogue{
		Module: func(name string) (policy.Module, bool) {
			known := slices.Contains([]string{"mock", "headers", "requestid"}, name)
			if name != "mock" {
				return policy.Module{Name: name, Settings: func() policy.Settings { return &open{} }}, known
			}
			return policy.Module{Name: name, Settings: func() policy.Settings { return &answer{} }}, known
		},
		Modules:  []string{"requestid", "headers", "mock"},
		Upstream: func() any { return new(pool) },
		Sections: map[string]func() any{"capture": func() any { return new(capture) }},
	}
}

// open stands for a module that takes what the default configuration gives it.
type open struct {
	policy.Settings
	ResponseSet []schema.Pair `toml:"response_set" help:"Fields."`
}

func parsed(t *testing.T, text string) *Document {
	t.Helper()
	doc, list := Parse("config.toml", []byte(text), catalogue())
	if len(list) > 0 {
		t.Fatalf("%v\nin\n%s", list, text)
	}
	return doc
}

func TestTheDefaultStandsAndSaysWhatItDoes(t *testing.T) {
	doc := parsed(t, string(Default()))
	if len(doc.Listen) != 1 || doc.Listen[0].Address != "127.0.0.1:8080" || doc.Routes[0].To != "demo" {
		t.Errorf("the default is %+v", doc)
	}
	if ids := []string{doc.Routes[0].Cells[0].ID, doc.Routes[0].Cells[1].ID}; !slices.Equal(ids, []string{"requestid", "headers"}) {
		t.Errorf("its cells are called %v", ids)
	}
	for _, word := range []string{"# ", "${NAME}", "pass_through", "[[routes]]", "body_cap"} {
		if !strings.Contains(string(Default()), word) {
			t.Errorf("the default does not explain %q", word)
		}
	}
}

const sound = `version = 1

[[listen]]
address = "127.0.0.1:8080"
accept = ["reverse"]

[upstreams.shop]
targets = [{ url = "http://127.0.0.1:3000" }]

[[routes]]
name = "shop"
to = "shop"
`

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	for _, c := range []struct {
		name, was, is string // one replacement in sound
		at            string // "line:column path"
		says          string
	}{
		{"broken syntax", `version = 1`, `version = `, "1:", ""},
		{"a misspelt key", `name = "shop"`, `nmae = "shop"`, "11:1 routes.1.nmae", `did you mean "name"`},
		{"a misspelt top-level key", `version = 1`, "version = 1\nlissten = []", "2:1 lissten", `did you mean "listen"`},
		{"a misspelt setting", `url = "http`, `ulr = "http`, "8:14 upstreams.shop.targets.1.ulr", `did you mean "url"`},
		{"a newer version", `version = 1`, `version = 2`, "1:1 version", "newer"},
		{"a version that is a text", `version = 1`, `version = "1"`, "1:1 version", "number"},
		{"an address without a port", `"127.0.0.1:8080"`, `"127.0.0.1"`, "4:1 listen.1.address", "host:port"},
		{"a port out of range", `"127.0.0.1:8080"`, `"127.0.0.1:80800"`, "4:1 listen.1.address", "65535"},
		{"an unknown way in", `["reverse"]`, `["revers"]`, "5:1 listen.1.accept", `did you mean "reverse"`},
		{"a name without a password", `["reverse"]`, "[\"forward\"]\nusername = \"me\"", "3:3 listen.1.password", "write password"},
		{"a password without a name", `["reverse"]`, "[\"forward\"]\npassword = \"${NO_PASSWORD:-word}\"", "3:3 listen.1.username", "write username"},
		{"a name with a colon", `["reverse"]`, "[\"connect\"]\nusername = \"a:b\"\npassword = \"c\"", "6:1 listen.1.username", "colon"},
		{"a password that is too long to send", `["reverse"]`, "[\"socks5\"]\nusername = \"a\"\npassword = \"" + strings.Repeat("x", 256) + "\"", "7:1 listen.1.password", "255"},
		{"a password with a line in it", `["reverse"]`, "[\"socks5\"]\nusername = \"a\"\npassword = \"b\\nc\"", "7:1 listen.1.password", "control"},
		{"a password that nothing asks for", `["reverse"]`, "[\"reverse\"]\nusername = \"a\"\npassword = \"b\"", "6:1 listen.1.username", "reverse"},
		{"a password that is a number", `["reverse"]`, "[\"forward\"]\nusername = \"a\"\npassword = 1", "7:1 listen.1.password", "quotes"},
		{"a PROXY protocol that is a text", `["reverse"]`, "[\"reverse\"]\nproxy_protocol = \"v2\"", "6:1 listen.1.proxy_protocol", "true or false"},
		{"a PROXY protocol from nobody", `["reverse"]`, "[\"reverse\"]\nproxy_protocol = true", "6:1 listen.1.proxy_protocol", "trusted"},
		{"a misspelt key of a listener", `["reverse"]`, "[\"reverse\"]\nproxyprotocol = true", "6:1 listen.1.proxyprotocol", `did you mean "proxy_protocol"`},
		{"an unknown leniency", `to = "shop"`, "to = \"shop\"\nlenient = [\"line_feed\", \"obs_flod\"]", "13:1 routes.shop.lenient", `did you mean "obs_fold"`},
		{"a name that is reserved", `name = "shop"`, `name = "route"`, "11:1 routes.route.name", `the name "route" is reserved: choose another`},
		{"a leniency that is no list", `to = "shop"`, "to = \"shop\"\nlenient = \"obs_fold\"", "13:1 routes.shop.lenient", "list"},
		{"an unknown upstream", `to = "shop"`, `to = "shpo"`, "12:1 routes.shop.to", `did you mean "shop"`},
		{"a condition that does not parse", `to = "shop"`, "to = \"shop\"\nwhen = 'host = '", "13:1 routes.shop.when", "at character"},
		{"a condition on the response", `to = "shop"`, "to = \"shop\"\nwhen = 'status = 500'", "13:1 routes.shop.when", "response"},
		{"two routes of one name", `to = "shop"`, "to = \"shop\"\n[[routes]]\nname = \"shop\"", "11:1 routes.shop.name", "two with the name"},
		{"a name with a space", `name = "shop"`, `name = "my shop"`, "11:1 routes.my shop.name", "is no name"},
		{"an unknown module", `to = "shop"`, "to = \"shop\"\n[[routes.cells]]\nuse = \"mok\"", "14:1 routes.shop.cells.1.use", `did you mean "mock"`},
		{"a cell that sends to an unknown upstream", `to = "shop"`, "to = \"shop\"\n[[routes.cells]]\nuse = \"mock\"\npool = \"shpo\"", "15:1 routes.shop.cells.1.pool", `did you mean "shop"`},
		{"a common cell that does", `[[routes]]`, "[[cells]]\nuse = \"mock\"\npool = \"no\"\n[[routes]]", "12:1 cells.1.pool", "known here: shop"},
		{"a setting out of range", `to = "shop"`, "to = \"shop\"\n[[routes.cells]]\nuse = \"mock\"\nstatus = 99", "15:1 routes.shop.cells.1.status", "between 100 and 599"},
		{"a setting of another type", `to = "shop"`, "to = \"shop\"\n[[routes.cells]]\nuse = \"mock\"\nstatus = \"x\"", "15:1 routes.shop.cells.1.status", "whole number"},
		{"a cell without a module", `to = "shop"`, "to = \"shop\"\n[[routes.cells]]\nstatus = 200", "13:3 routes.shop.cells.1", "use"},
		{"a table where a list is needed", `[[routes]]`, `[routes]`, "10:2 routes", "[[routes]]"},
		{"a trusted network that is none", `version = 1`, "version = 1\ntrusted = [\"10.0.0.0/99\"]", "2:1 trusted", "10.0.0.0/8"},
		{"a host that is a URL", `version = 1`, "version = 1\npass_through = [\"https://bank.example\"]", "2:1 pass_through", "bank.example"},
		{"a variable that is not set", `"http://127.0.0.1:3000"`, `"http://${SURELY_NOT_SET}"`, "8:14 upstreams.shop.targets.1.url", "SURELY_NOT_SET"},
		{"a section nobody knows", `[upstreams.shop]`, "[captrue]\nbody_cap = \"1MB\"\n[upstreams.shop]", "7:2 captrue", `did you mean "capture"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(sound, c.was) {
				t.Fatalf("%q is not in the sound text", c.was)
			}
			_, list := Parse("config.toml", []byte(strings.Replace(sound, c.was, c.is, 1)), catalogue())
			var all []string
			for _, p := range list {
				told := fmt.Sprintf("%d:%d %s | %s", p.Line, p.Column, p.Where, p.Message)
				if strings.HasPrefix(told, c.at) && strings.Contains(p.Message, c.says) {
					return
				}
				all = append(all, told)
			}
			t.Errorf("want %s … %q, got\n%s", c.at, c.says, strings.Join(all, "\n"))
		})
	}
	parsed(t, sound)
}

func TestTheMarkOfAnEditorIsSkippedAndKept(t *testing.T) {
	was := parsed(t, "\uFEFF"+sound)
	now := was.Clone()
	now.Listen[0].Address = "127.0.0.1:9090"
	got, err := Edit([]byte("\uFEFF"+sound), was, now)
	if want := "\uFEFF" + strings.Replace(sound, "8080", "9090", 1); err != nil || string(got) != want {
		t.Errorf("became %q, %v", got, err)
	}
	if _, list := Parse("config.toml", []byte("\uFEFFversion = 2\n"), catalogue()); len(list) == 0 || list[0].Line != 1 || list[0].Column != 1 {
		t.Errorf("a mistake behind it is told as %v", list)
	}
}

func TestUTF16IsToldAsThat(t *testing.T) {
	wide := func(order binary.AppendByteOrder, text string) (out []byte) {
		for _, unit := range utf16.Encode([]rune(text)) {
			out = order.AppendUint16(out, unit)
		}
		return out
	}
	for name, text := range map[string][]byte{
		"little": wide(binary.LittleEndian, "\uFEFF"+sound), "big": wide(binary.BigEndian, "\uFEFF"+sound),
		"little, no mark": wide(binary.LittleEndian, sound), "big, no mark": wide(binary.BigEndian, sound),
	} {
		if _, list := Parse("config.toml", text, catalogue()); len(list) != 1 || !strings.Contains(list[0].Message, "Save it as UTF-8.") {
			t.Errorf("%s: %v", name, list)
		}
	}
}

func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	text := strings.NewReplacer(`to = "shop"`, `to = "no"`, `"127.0.0.1:8080"`, `"nowhere"`, `url =`, `url = "x", wieght =`).Replace(sound)
	_, list := Parse("config.toml", []byte(text), catalogue())
	if len(list) < 3 {
		t.Errorf("only these are told: %v", list)
	}
	if !slices.IsSortedFunc(list, func(a, b *problem.Problem) int { return a.Line - b.Line }) {
		t.Errorf("they are not in the order of the file: %v", list)
	}
}

func TestVariablesAndOverrides(t *testing.T) {
	env := map[string]string{
		"SHOP": "http://10.0.0.1:80", "PROXYCACHE_LISTEN_0_ADDRESS": "127.0.0.1:9", "PROXYCACHE_ROUTES_SHOP_CELLS_MOCK_STATUS": "418",
	}
	t.Setenv("SHOP", env["SHOP"])
	doc := parsed(t, strings.Replace(sound, "http://127.0.0.1:3000", "${SHOP}", 1)+"\n[[routes.cells]]\nuse = \"mock\"\nstatus = 200\nbody = \"${method} ${NOT_SET_ANYWHERE:-fallback}\"\n")
	got, list := doc.Expanded(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if len(list) > 0 {
		t.Fatal(list)
	}
	target := got.Upstreams[0].Settings["targets"].([]any)[0].(map[string]any)["url"]
	cell := got.Routes[0].Cells[0].Settings
	if target != "http://10.0.0.1:80" || got.Listen[0].Address != "127.0.0.1:9" || cell["status"] != int64(418) || cell["body"] != "${method} fallback" {
		t.Errorf("expanded to %v, %v, %v", target, got.Listen, cell)
	}
	if doc.Listen[0].Address != "127.0.0.1:8080" || doc.Routes[0].Cells[0].Settings["status"] != int64(200) {
		t.Error("expanding changed the document as written")
	}
	env["PROXYCACHE_ROUTES_SHOP_CELLS_MOCK_STATUS"] = "teapot"
	if _, list := doc.Expanded(func(name string) (string, bool) { v, ok := env[name]; return v, ok }); len(list) != 1 || list[0].Where != "routes.shop.cells.1.status" {
		t.Errorf("an override of the wrong kind: %v", list)
	}
}

func TestTheVariablesOfAListener(t *testing.T) {
	t.Setenv("PROXY_PASSWORD", "word")
	doc := parsed(t, strings.Replace(sound, `["reverse"]`, "[\"socks5\"]\nproxy_protocol = false\nusername = \"me\"\npassword = \"${PROXY_PASSWORD}\"", 1))
	if doc.Listen[0].Password != "${PROXY_PASSWORD}" {
		t.Errorf("the document holds %+v, and not what is written", doc.Listen)
	}
	env := map[string]string{"PROXY_PASSWORD": "word", "PROXYCACHE_LISTEN_0_PROXY_PROTOCOL": "true", "PROXYCACHE_LISTEN_0_USERNAME": "you"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	got, list := doc.Expanded(lookup)
	if l := got.Listen[0]; len(list) > 0 || l.Username != "you" || l.Password != "word" || !l.ProxyProtocol {
		t.Errorf("expanded to %+v, %v", got.Listen, list)
	}
	env["PROXYCACHE_LISTEN_0_PROXY_PROTOCOL"] = "v2"
	if _, list := doc.Expanded(lookup); len(list) != 1 || list[0].Where != "listen.1.proxy_protocol" {
		t.Errorf("an override of the wrong kind: %v", list)
	}
}

func TestEditsLeaveTheRestAsItWas(t *testing.T) {
	const text = `# my proxy
version = 1   # of the format

[[listen]]
address = "127.0.0.1:8080" # the usual
accept = ["reverse"]

# the shop runs
# on my machine
[upstreams.shop]
targets = [
  { url = "http://127.0.0.1:3000" }, # node
]

# first
[[routes]]
name = "shop"
when = 'host = "shop.localhost"'
to = "shop"

  # why we mock
  [[routes.cells]]
  use = "mock"
  status = 503   # on purpose
  body = '''
it's down
'''

# last
[[routes]]
name = "rest"
to = "shop"
`
	for _, c := range []struct {
		name   string
		change func(*Document)
		want   []string // replacements from text, in pairs
	}{
		{"nothing", func(*Document) {}, nil},
		{"one value", func(d *Document) { d.Routes[0].Cells[0].Settings["status"] = int64(500) }, []string{"status = 503   # on", "status = 500   # on"}},
		{"a cell off", func(d *Document) { d.Routes[0].Cells[0].Off = true }, []string{"it's down\n'''\n", "it's down\n'''\n  off = true\n"}},
		{"a new setting", func(d *Document) { d.Routes[0].Cells[0].Settings["names"] = []any{"a", "b"} }, []string{"it's down\n'''\n", "it's down\n'''\n  names = [\"a\", \"b\"]\n"}},
		{"a setting gone", func(d *Document) { delete(d.Routes[0].Cells[0].Settings, "status") }, []string{"  status = 503   # on purpose\n", ""}},
		{"a renamed route", func(d *Document) { d.Routes[1].Name = "others" }, []string{`name = "rest"`, `name = "others"`}},
		{"a route gone", func(d *Document) { d.Routes = d.Routes[:1] }, []string{"\n# last\n[[routes]]\nname = \"rest\"\nto = \"shop\"\n", ""}},
		{"a trusted network", func(d *Document) { d.Trusted = []string{"10.0.0.0/8"} }, []string{"version = 1   # of the format\n", "version = 1   # of the format\ntrusted = [\"10.0.0.0/8\"]\n"}},
		{"another address", func(d *Document) { d.Listen[0].Address = "127.0.0.1:9" }, []string{"127.0.0.1:8080", "127.0.0.1:9"}},
		{"a login", func(d *Document) {
			d.Listen[0].Accept, d.Listen[0].Username, d.Listen[0].Password = []string{"socks5"}, "me", `"word"`
		},
			[]string{"accept = [\"reverse\"]\n", "accept = [\"socks5\"]\nusername = \"me\"\npassword = '\"word\"'\n"}},
		{"another order", func(d *Document) { d.Routes[0], d.Routes[1] = d.Routes[1], d.Routes[0] }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			was := parsed(t, text)
			now := was.Clone()
			c.change(now)
			got, err := Edit([]byte(text), was, now)
			if err != nil {
				t.Fatal(err)
			}
			if read := parsed(t, string(got)); !reflect.DeepEqual(read.Clone(), now.Clone()) {
				t.Errorf("reads back as\n%+v, want\n%+v, from\n%s", read, now, got)
			}
			if c.want != nil || c.name == "nothing" {
				if want := strings.NewReplacer(c.want...).Replace(text); string(got) != want {
					t.Errorf("became\n%s\nwant\n%s", got, want)
				}
			}
			for _, comment := range []string{"# my proxy", "# the usual", "# on my machine", "# why we mock", "# first"} {
				if !strings.Contains(string(got), comment) {
					t.Errorf("the comment %q is gone from\n%s", comment, got)
				}
			}
		})
	}
}

func TestAFileThatCannotBeEditedIsLeftAlone(t *testing.T) {
	text := "version = 1\nlisten = [{ address = \"127.0.0.1:1\", accept = [\"reverse\"] }]\n"
	was := parsed(t, text)
	now := was.Clone()
	now.Listen[0].Address = "127.0.0.1:2"
	if out, err := Edit([]byte(text), was, now); err == nil || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("edited to %q, %v", out, err)
	}
}

func TestTheFileIsWrittenWholeAndNeverOverAnothersChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	text, base := f.Read()
	if string(text) != string(Default()) {
		t.Errorf("a first start wrote %q", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("# by hand\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(base, []byte(sound)); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("writing over another's change: %v", err)
	}
	if now, _ := os.ReadFile(path); string(now) != "# by hand\n" {
		t.Errorf("the change by hand is lost: %q", now)
	}
	if _, err := f.Write(Revision([]byte("# by hand\n")), []byte(sound)); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".config-*")); len(left) > 0 {
		t.Errorf("temporary files stay: %v", left)
	}
}
