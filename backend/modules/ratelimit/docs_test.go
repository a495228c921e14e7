package ratelimit

import (
	"os"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"proxycache/backend/schema"
)

// The examples of the page are settings that stand.
func TestTheExamplesOfThePageStand(t *testing.T) {
	page, err := os.ReadFile("../../../docs/modules/ratelimit.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i, part := range strings.Split(string(page), "```toml\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		var document struct {
			Routes any `toml:"routes"`
		}
		if err := toml.Unmarshal([]byte(block), &document); err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
		for _, cell := range cellsIn(document.Routes) {
			for _, ofTheEngine := range []string{"use", "id", "when"} {
				delete(cell, ofTheEngine)
			}
			if problems := schema.Decode("", cell, new(Settings)); len(problems) > 0 {
				t.Errorf("example %d: %v", i+1, problems)
			}
			found++
		}
	}
	if found < 6 {
		t.Errorf("only %d examples were found", found)
	}
	for _, s := range schema.Of(new(Settings)) {
		if !strings.Contains(string(page), "`"+s.Name) && !strings.Contains(string(page), s.Name+" = ") && s.Name != "limits" {
			t.Errorf("the page does not speak of %s", s.Name)
		}
	}
}

func cellsIn(v any) (cells []map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		if v["use"] == "ratelimit" {
			return []map[string]any{v}
		}
		for _, inside := range v {
			cells = append(cells, cellsIn(inside)...)
		}
	case []any:
		for _, inside := range v {
			cells = append(cells, cellsIn(inside)...)
		}
	}
	return cells
}
