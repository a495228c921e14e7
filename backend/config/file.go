package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"proxycache/backend/atomicfile"
	"proxycache/backend/problem"
)

// File is the configuration on disk. Its methods may be called by many goroutines.
type File struct {
	path  string
	other chan struct{} // Write found a text that Watch has not heard of
	mu    sync.Mutex
	text  []byte
}

// Open reads the file, and makes it with Default where there is none (0600: it may hold secrets).
func Open(path string) (*File, error) {
	f := &File{path: path, other: make(chan struct{}, 1)}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = Default()
		err = atomicfile.WriteBytes(path, 0o600, text)
	}
	if err != nil {
		return nil, problem.Wrap(problem.Unavailable, err, "Reading the configuration %s: %v. Make it readable for you, or name another with --config.", path, err)
	}
	f.text = text
	return f, nil
}

// Read is the text as last read or written, and its revision.
func (f *File) Read() (text []byte, revision string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text, Revision(f.text)
}

// Revision names a text.
func Revision(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Write replaces the file whole: a temporary file beside it, fsync, rename. It is a Conflict when the
// file on disk is no longer the one of revision base.
func (f *File) Write(base string, text []byte) (revision string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	onDisk, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", problem.Wrap(problem.Unavailable, err, "Writing the configuration: reading %s: %v.", f.path, err)
	}
	if err == nil && Revision(onDisk) != base {
		select {
		case f.other <- struct{}{}:
		default:
		}
		return "", problem.New(problem.Conflict, "Writing the configuration: %s was changed meanwhile. Look at what it says now, and apply your change to that.", f.path)
	}
	path, mode := f.path, fs.FileMode(0o600)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link stays a link
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := atomicfile.WriteBytes(path, mode, text); err != nil {
		return "", problem.Wrap(problem.Unavailable, err, "Writing the configuration %s: %v. Nothing was changed.", f.path, err)
	}
	f.text = text
	return Revision(text), nil
}

const (
	// settled is how long the file must be quiet: editors write in several steps.
	settled = 100 * time.Millisecond
	// replaced is how long it may be away while another is put in its place.
	replaced = time.Second
	// retry is how soon what could not be used is tried again.
	retry = 3 * time.Second
)

// Watch calls changed with each text that others write, until ctx ends, or with the error for which there
// is none to read any more. Where changed says so, it is called again some seconds later with what is there
// then, be it the same text.
func (f *File) Watch(ctx context.Context, changed func(text []byte, revision string, err error) (again bool)) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return problem.Wrap(problem.Unavailable, err, "Watching the configuration: %v. Changes by hand need a restart.", err)
	}
	defer w.Close()
	if err := w.Add(filepath.Dir(f.path)); err != nil {
		return problem.Wrap(problem.Unavailable, err, "Watching %s: %v. Changes by hand need a restart.", f.path, err)
	}
	names := watch(w, f.path)
	quiet := time.NewTimer(settled) // the first look catches what happened before the watch began
	defer quiet.Stop()
	var away time.Time // since when the file cannot be read
	for again := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return nil
			}
			if names[filepath.Base(e.Name)] {
				quiet.Reset(settled)
			}
		case <-w.Errors: // an overflow: look at the file as if it had changed
			quiet.Reset(settled)
		case <-f.other:
			quiet.Reset(settled)
		case <-quiet.C:
			names = watch(w, f.path)
			text, revision, other, err := f.reread()
			if err == nil {
				away = time.Time{}
			} else if away.IsZero() {
				away = time.Now()
			}
			switch left := replaced - time.Since(away); {
			case err != nil && left > 0:
				quiet.Reset(left)
				continue
			case err != nil || other || again:
				again = changed(text, revision, err)
			}
			if again {
				quiet.Reset(retry)
			}
		}
	}
}

// watch watches all folders in which the text of path can change, and no others; names are those of the
// files and links in them that matter. Folders are watched, since editors put another file in the place of
// the old one. What cannot be watched now may be so at the next look.
func watch(w *fsnotify.Watcher, path string) (names map[string]bool) {
	folders := map[string]bool{}
	names = map[string]bool{}
	for _, one := range way(path) {
		folders[filepath.Dir(one)], names[filepath.Base(one)] = true, true
	}
	for _, old := range w.WatchList() {
		if !folders[old] {
			_ = w.Remove(old) // it may be gone
		}
	}
	for folder := range folders { // again also those that are: a folder may have been made anew
		_ = w.Add(folder)
	}
	return names
}

// mostLinks ends a ring of links, as in the system.
const mostLinks = 40

// way is path, and where it is a link all that the system passes on the way to the file: the links that
// the first one leads through, be they files or folders, and the file. A ConfigMap is such a way:
// config.toml is a link to ..data/config.toml, and ..data one to the folder that is exchanged.
func way(path string) []string {
	all := []string{path}
	target, err := os.Readlink(path)
	if folder, noFolder := filepath.EvalSymlinks(filepath.Dir(path)); noFolder == nil && err == nil {
		path = filepath.Join(folder, filepath.Base(path)) // .. leads out of the real one
	}
	for links := 1; err == nil && links < mostLinks; links++ {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path, target, err = firstLink(target)
		all = append(all, path)
	}
	return all
}

// firstLink is the outermost part of path that is a link, and path with the target in its place; the error
// says that no part is one.
func firstLink(path string) (link, through string, err error) {
	volume := filepath.VolumeName(path)
	for end := len(volume) + 1; end < len(path); {
		next := len(path)
		if i := strings.IndexByte(path[end:], filepath.Separator); i >= 0 {
			next = end + i
		}
		if target, err := os.Readlink(path[:next]); err == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(path[:next]), target)
			}
			return path[:next], filepath.Join(target, path[next:]), nil
		}
		end = next + 1
	}
	return path, "", fs.ErrInvalid
}

// reread takes over what is on disk and tells whether it is another text.
func (f *File) reread() (text []byte, revision string, other bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err = os.ReadFile(f.path)
	if err != nil {
		why := err
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			why = at.Err
		}
		return nil, "", false, problem.Wrap(problem.Unavailable, err, "Reading the configuration %s: %v. What was read before stays in force. Put the file back, and make it readable for you.", f.path, why)
	}
	other = string(text) != string(f.text)
	f.text = text
	return text, Revision(text), other, nil
}
