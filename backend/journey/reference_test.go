package journey

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"proxycache/backend/core"
	"proxycache/backend/schema"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const referenceFile = "../../docs/configuration.md"

// The reference is what the settings say of themselves.
func TestTheConfigurationReferenceIsUpToDate(t *testing.T) {
	c, err := (*core.Core)(nil).Catalogue(t.Context(), core.Nothing{})
	if err != nil {
		t.Fatal(err)
	}
	want := reference(c)
	if *update {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/configuration.md is not what the settings say: run go test -tags desktop,production,webkit2_41,sqlite_fts5 ./backend/journey -run Reference -update")
	}
}

func TestTheExampleOfTheReferenceIsAConfiguration(t *testing.T) {
	_, text, _ := strings.Cut(referenceStart, "```toml\n")
	text, _, _ = strings.Cut(text, "```")
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := core.CheckFile(file); err != nil || len(list) > 0 {
		t.Errorf("%v %v", list, err)
	}
}

func reference(c core.Catalogue) string {
	var b strings.Builder
	b.WriteString(referenceStart)
	section := func(title, text string, fields []schema.Field) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", title, text)
		rows(&b, fields)
	}
	section("[upstreams.NAME]", "Servers that do the same work. A route names the pool with `to`.", c.Upstream)
	section("[forward]", "How servers are reached that clients of the proxy name themselves.", c.Forward)
	section("[limits]", "What clients may take.", c.Limits)
	section("[tls]", "Which certificates clients of the reverse door are shown.", c.TLS)
	section("[capture]", "What is kept of the traffic.", c.Capture)
	b.WriteString("\n## Modules\n\nA cell is `[[routes.cells]]` in a route, or `[[cells]]` for all of them. Besides the module's own settings it has `use` (which module), `when` (a filter), `off` and `id`.\n")
	for _, m := range c.Modules {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", m.Name, m.Summary)
		rows(&b, m.Fields)
	}
	return b.String()
}

func rows(b *strings.Builder, fields []schema.Field) {
	if len(fields) == 0 {
		return
	}
	b.WriteString("\n| setting | default | |\n|---|---|---|\n")
	for _, f := range fields {
		row(b, f.Name, f)
	}
}

func row(b *strings.Builder, name string, f schema.Field) {
	standard := ""
	switch {
	case f.Default != "":
		standard = "`" + f.Default + "`"
	case f.Required:
		standard = "required"
	}
	fmt.Fprintf(b, "| `%s` | %s | %s%s |\n", name, standard, cell(f.Help), cell(bounds(f)))
	for _, inner := range f.Fields {
		row(b, name+"[]."+inner.Name, inner)
	}
}

// bounds says what a value may be, behind the help.
func bounds(f schema.Field) string {
	switch {
	case len(f.OneOf) > 0:
		return " One of `" + strings.Join(f.OneOf, "`, `") + "`."
	case f.Min != "" && f.Max != "":
		return fmt.Sprintf(" From `%s` to `%s`.", f.Min, f.Max)
	case f.Min != "":
		return fmt.Sprintf(" At least `%s`.", f.Min)
	case f.Max != "":
		return fmt.Sprintf(" At most `%s`.", f.Max)
	}
	return ""
}

// cell keeps a text within one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

const referenceStart = "# The configuration\n\n" +
	"`config.toml` is read at the start and whenever it is saved; the window edits the same file in place. " +
	"Any text may hold `${NAME}` or `${NAME:-default}` from the environment. Durations are written `250ms`, `30s`, `5m`, `1h`, `1d`; sizes `64KiB`, `10MiB`, `1GiB`.\n\n" +
	"This page is made from what the settings say of themselves; the forms in the window and `proxycache check` say the same.\n\n" +
	"```toml\n" +
	"version = 1\n\n" +
	"trusted = [\"10.0.0.0/8\"]            # whose forwarding fields, and PROXY protocol, are believed\n" +
	"pass_through = [\"*.bank.example\"]   # whose CONNECT is tunnelled and not opened\n\n" +
	"[[listen]]\n" +
	"address = \"127.0.0.1:8080\"\n" +
	"accept = [\"reverse\", \"forward\", \"connect\", \"socks5\"]\n" +
	"# username and password: what forward, CONNECT and SOCKS5 clients must know\n" +
	"# proxy_protocol = true: trusted clients begin with a PROXY protocol header\n\n" +
	"[upstreams.shop]\n" +
	"targets = [{ url = \"http://127.0.0.1:3000\" }, { url = \"unix:/run/shop.sock\" }]\n\n" +
	"[[routes]]\n" +
	"name = \"shop\"\n" +
	"when = 'host = \"shop.localhost\"'\n" +
	"to = \"shop\"\n" +
	"# lenient: what of HTTP/1's grammar is forgiven, as \"line_feed\" or \"obs_fold\"; the X-ray tells where it was\n" +
	"```\n"
