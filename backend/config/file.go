package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"proxycache/backend/problem"
)

// File is the configuration on disk. Its methods may be called by many goroutines.
type File struct {
	path string
	mu   sync.Mutex
	text []byte
}

// Open reads the file, and makes it with Default where there is none (0600: it may hold secrets).
func Open(path string) (*File, error) {
	f := &File{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = Default()
		err = replace(path, text, 0o600)
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
		return "", problem.New(problem.Conflict, "Writing the configuration: %s was changed meanwhile. Look at what it says now, and apply your change to that.", f.path)
	}
	path, mode := f.path, fs.FileMode(0o600)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link stays a link
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := replace(path, text, mode); err != nil {
		return "", problem.Wrap(problem.Unavailable, err, "Writing the configuration %s: %v. Nothing was changed.", f.path, err)
	}
	f.text = text
	return Revision(text), nil
}

func replace(path string, text []byte, mode fs.FileMode) error {
	t, err := os.CreateTemp(filepath.Dir(path), ".config-*")
	if err != nil {
		return err
	}
	_, err = t.Write(text)
	err = errors.Join(err, t.Chmod(mode), t.Sync(), t.Close())
	if err == nil {
		err = os.Rename(t.Name(), path)
	}
	if err != nil {
		_ = os.Remove(t.Name()) // the first error is the one to tell
	}
	return err
}

// settled is how long the file must be quiet: editors write in several steps.
const settled = 100 * time.Millisecond

// Watch calls changed with each text that others write, until ctx ends. It watches the folder, since
// editors put another file in the place of the old one.
func (f *File) Watch(ctx context.Context, changed func(text []byte, revision string)) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return problem.Wrap(problem.Unavailable, err, "Watching the configuration: %v. Changes by hand need a restart.", err)
	}
	defer w.Close()
	if err := w.Add(filepath.Dir(f.path)); err != nil {
		return problem.Wrap(problem.Unavailable, err, "Watching %s: %v. Changes by hand need a restart.", f.path, err)
	}
	quiet := time.NewTimer(settled) // the first look catches what happened before the watch began
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return nil
			}
			if filepath.Base(e.Name) == filepath.Base(f.path) {
				quiet.Reset(settled)
			}
		case <-w.Errors: // an overflow: look at the file as if it had changed
			quiet.Reset(settled)
		case <-quiet.C:
			if text, revision, ok := f.reread(); ok {
				changed(text, revision)
			}
		}
	}
}

// reread takes over what is on disk and tells whether it is another text. A file that is away for a
// moment is being replaced.
func (f *File) reread() (text []byte, revision string, changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := os.ReadFile(f.path)
	if err != nil || string(text) == string(f.text) {
		return nil, "", false
	}
	f.text = text
	return text, Revision(text), true
}
