package core

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What serve would refuse for a name that is nowhere, the check of the file tells with its line.
func TestTheCheckOfAFileKnowsThePoolsOfItsCells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	const text = `version = 1
[[listen]]
address = "127.0.0.1:0"
accept = ["reverse"]
[upstreams.shop]
targets = [{ url = "http://127.0.0.1:3000" }]
[[routes]]
name = "shop"
to = "shop"
[[routes.cells]]
use = "breaker"
fallback = "upstream"
fallback_upstream = "nope"
`
	for name, line := range map[string]int{"nope": 13, "shop": 0} {
		if err := os.WriteFile(path, []byte(strings.Replace(text, "nope", name, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := CheckFile(path)
		if err != nil || line == 0 && len(list) > 0 || line > 0 && (len(list) != 1 || list[0].Line != line || list[0].Where != "routes.shop.cells.1.fallback_upstream") {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}
