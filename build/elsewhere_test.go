package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatDoesNotCompileElsewhereIsFound(t *testing.T) {
	const fine = "package p\n\nimport \"syscall\"\n\nvar Handle = syscall.Handle(0)\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string // in the error; "" for none
	}{
		"nothing wrong":          {map[string]string{"p_windows.go": fine, "p_darwin.go": "package p\n\nvar Handle int\n"}, ""},
		"a name of another one":  {map[string]string{"p_darwin.go": fine}, "for darwin: "},
		"a function's body":      {map[string]string{"p_windows.go": "package p\n\nfunc f() int { return \"\" }\n"}, "for windows: "},
		"a test":                 {map[string]string{"p.go": "package p\n", "p_windows_test.go": "package p\n\nvar x int = nil\n"}, "for windows: "},
		"a test from outside":    {map[string]string{"p.go": "package p\n", "p_test.go": "package p_test\n\nimport \"m\"\n\nvar x = p.Gone\n"}, "for darwin: "},
		"what a later Go has":    {map[string]string{"p_darwin.go": "package p\n\nfunc f() {\n\tfor range 3 {\n\t}\n}\n", "go.mod": "module m\n\ngo 1.20\n"}, "for darwin: "},
		"what cannot be parsed":  {map[string]string{"p_windows.go": "package p\n\nfunc {\n"}, "windows"},
		"an import without use":  {map[string]string{"p_darwin.go": "package p\n\nimport \"syscall\"\n"}, "for darwin: "},
		"a package there is not": {map[string]string{"p_windows.go": "package p\n\nimport _ \"m/gone\"\n"}, "windows"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.files["go.mod"] == "" {
				c.files["go.mod"] = "module m\n\ngo 1.26\n"
			}
			c.files["any.go"] = "package p\n"
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := checkElsewhere(t.Context(), io.Discard, dir)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("told %v, want %q", err, c.want)
			}
		})
	}
}
