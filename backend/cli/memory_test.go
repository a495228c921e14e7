package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

var kept [][]byte // on the heap, whatever the compiler sees

func TestMemoryTellsWhatWasAllocatedSince(t *testing.T) {
	before := memorySoFar()
	for range 1000 {
		kept = append(kept, make([]byte, 4096))
	}
	file := filepath.Join(t.TempDir(), "memory.json")
	if err := before.since(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got memory
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Objects < 1000 || got.Objects > 20_000 || got.Bytes < 1000*4096 || got.Bytes > 8<<20 {
		t.Errorf("after 1 000 times 4 096 bytes: %d objects of %d bytes", got.Objects, got.Bytes)
	}
	if got.GC <= 0 || got.CPU < got.GC {
		t.Errorf("a collection ran, but it took %v s of %v s", got.GC, got.CPU)
	}
}

func TestMemoryThatCannotBeWrittenIsAFailure(t *testing.T) {
	if err := memorySoFar().since(filepath.Join(t.TempDir(), "no", "such", "folder")); err == nil {
		t.Fatal("a missing folder was no failure")
	}
}
