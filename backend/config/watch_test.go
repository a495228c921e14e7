package config

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// word is what a watch was told last.
type word struct {
	text string
	err  error
}

// watched is a file of which it is heard what the watch tells; again is what it answers.
type watched struct {
	*File
	t     *testing.T
	heard chan word
	again chan bool
}

func watching(t *testing.T, path string) *watched {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{f, t, make(chan word), make(chan bool)}
	ended := make(chan error, 1)
	go func() {
		ended <- f.Watch(t.Context(), func(text []byte, _ string, err error) bool {
			select {
			case w.heard <- word{string(text), err}:
				return <-w.again
			case <-t.Context().Done():
				return false
			}
		})
	}()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// hears wants the watch to tell of a text, or of an error with words in it.
func (w *watched) hears(text, words string, again bool) {
	w.t.Helper()
	select {
	case got := <-w.heard:
		w.again <- again
		if got.text != text || (got.err != nil) != (words != "") || got.err != nil && !strings.Contains(got.err.Error(), words) {
			w.t.Fatalf("heard %q, %v; want %q, %q", got.text, got.err, text, words)
		}
	case <-time.After(10 * time.Second):
		w.t.Fatalf("never heard %q %q", text, words)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace puts another file in the place of the old one, as editors do.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+"~", text)
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

// link makes path a link, in the place of what was there.
func link(t *testing.T, target, path string) {
	t.Helper()
	if err := errors.Join(os.Symlink(target, path+"~"), os.Rename(path+"~", path)); err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestAChangeByHandIsHeard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	w := watching(t, path)
	write(t, path, "# written\n")
	w.hears("# written\n", "", false)
	replace(t, path, "# replaced\n")
	w.hears("# replaced\n", "", false)
}

func TestAChangeBehindALinkIsHeard(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need rights there")
	}
	t.Run("to a file", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path, one, other := filepath.Join(dir, "etc", "config.toml"), filepath.Join(dir, "one", "a.toml"), filepath.Join(dir, "other", "b.toml")
		for _, p := range []string{path, one, other} {
			folder(t, filepath.Dir(p))
		}
		write(t, one, "# one\n")
		write(t, other, "# other\n")
		link(t, one, path)
		w := watching(t, path)
		write(t, one, "# written\n")
		w.hears("# written\n", "", false)
		replace(t, one, "# replaced\n")
		w.hears("# replaced\n", "", false)
		link(t, "../other/b.toml", path)
		w.hears("# other\n", "", false)
		replace(t, other, "# other replaced\n")
		w.hears("# other replaced\n", "", false)
	})
	t.Run("through a folder that is exchanged", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path, data := filepath.Join(dir, "config.toml"), filepath.Join(dir, "..data")
		for _, version := range []string{"..1", "..2"} {
			folder(t, filepath.Join(dir, version))
			write(t, filepath.Join(dir, version, "config.toml"), "# "+version+"\n")
		}
		link(t, "..1", data)
		link(t, "..data/config.toml", path)
		w := watching(t, path)
		time.Sleep(3 * settled) // it has had its first look
		link(t, "..2", data)
		w.hears("# ..2\n", "", false)
		replace(t, filepath.Join(dir, "..2", "config.toml"), "# within\n")
		w.hears("# within\n", "", false)
	})
	t.Run("in a ring", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "config.toml")
		w := watching(t, path)
		link(t, "config.toml", path)
		w.hears("", "too many levels", false)
	})
}

func TestWhatCouldNotBeUsedIsTriedAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.toml")
	w := watching(t, path)
	write(t, path, "# by hand\n")
	w.hears("# by hand\n", "", true)
	w.hears("# by hand\n", "", true)
	began := time.Now()
	write(t, path, "# by hand\n") // the same once more: at once
	w.hears("# by hand\n", "", false)
	if took := time.Since(began); took > retry-time.Second {
		t.Errorf("it took %v", took)
	}
	select {
	case got := <-w.heard:
		t.Errorf("heard %+v", got)
	case <-time.After(retry + time.Second):
	}
}

func TestAFileThatIsAwayIsToldAndHeardWhenItIsBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.toml")
	w := watching(t, path)
	write(t, path, "# whole\n")
	w.hears("# whole\n", "", false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	w.hears("", path+": no such file or directory. What was read before stays in force.", true)
	if took := time.Since(began); took < replaced {
		t.Errorf("it was told after %v: it may have been on its way", took)
	}
	write(t, path, "# whole\n")
	w.hears("# whole\n", "", false)
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	w.hears("", "is a directory", true)
}

// A change that no watch tells of, as on a file system of another machine; here it comes by another name.
func TestAChangeThatWritingMeetsIsHeard(t *testing.T) {
	t.Parallel()
	path, elsewhere := filepath.Join(t.TempDir(), "config.toml"), filepath.Join(t.TempDir(), "name")
	w := watching(t, path)
	if err := os.Link(path, elsewhere); err != nil {
		t.Skip(err)
	}
	_, base := w.Read()
	time.Sleep(3 * settled) // it has had its first look
	write(t, elsewhere, "# elsewhere\n")
	if _, err := w.Write(base, []byte(sound)); err == nil {
		t.Error("a change was written over")
	}
	w.hears("# elsewhere\n", "", false)
}
