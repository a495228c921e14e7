package modules

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"proxycache/backend/policy"
	"proxycache/backend/policytest"
)

func TestEveryFolderIsInTheListAndKeepsTheLaws(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		folders = append(folders, e.Name())
		m, ok := Lookup(e.Name())
		if !ok {
			t.Errorf("modules/%s is not in the list of modules.go", e.Name())
			continue
		}
		t.Run(m.Name, func(t *testing.T) { policytest.Laws(t, m) })
	}
	names := slices.Sorted(slices.Values(Names()))
	if !slices.Equal(names, folders) {
		t.Errorf("the list has %v, the folder %v", names, folders)
	}
	if _, ok := Lookup("none"); ok {
		t.Error("a module that is not there was found")
	}
}

func TestTheListIsInTheOrderOfThePipeline(t *testing.T) {
	order := []policy.Stage{policy.Identify, policy.Guard, policy.Shape, policy.Serve, policy.Balance, policy.Observe}
	last := 0
	for _, m := range all {
		at := slices.Index(order, m.Stage)
		if at < last {
			t.Errorf("%s is of stage %s, which comes before %s", m.Name, m.Stage, order[last])
		}
		last = max(at, last)
	}
}

func TestTheWindowHasEveryIcon(t *testing.T) {
	icons, err := os.ReadFile("../../frontend/src/ui/icons.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if !regexp.MustCompile(`(?m)^\s+'?` + regexp.QuoteMeta(m.Icon) + `'?: `).Match(icons) {
			t.Errorf("%s has the icon %q, which ui/icons.ts does not", m.Name, m.Icon)
		}
	}
}
