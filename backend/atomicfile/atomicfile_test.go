package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func holds(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
	}
}

func TestWhoReadsFindsTheOldOrTheNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	if err := WriteBytes(path, 0o600, []byte("old")); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	err = Write(path, 0o640, func(w io.Writer) error {
		_, err := io.WriteString(w, "ne")
		holds(t, path, "old")
		_, more := io.WriteString(w, "w")
		return errors.Join(err, more)
	})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, path, "new")
	if was, err := io.ReadAll(reader); err != nil || string(was) != "old" {
		t.Errorf("who had it open reads %q, %v", was, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o640 && runtime.GOOS != "windows" {
		t.Errorf("its rights are %o", got)
	}
}

func TestAWriteThatFailsChangesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	if err := WriteBytes(path, 0o600, []byte("old")); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left on device")
	err := Write(path, 0o600, func(w io.Writer) error {
		_, _ = io.WriteString(w, "ne")
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("it says %v", err)
	}
	holds(t, path, "old")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("beside it are %v, %v", left, err)
	}
	if err := WriteBytes(filepath.Join(dir, "no", "folder"), 0o600, nil); err == nil {
		t.Error("a file in a folder that is not there was written")
	}
}
