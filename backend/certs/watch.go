package certs

import (
	"log/slog"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// watcher watches the folders in which something can be put in the place of a file. Where the system
// has no more watches to give, it tells less or nothing: the files are looked at now and then, too.
type watcher struct {
	system  *fsnotify.Watcher // nil where there is none
	events  <-chan fsnotify.Event
	errors  <-chan error
	entries map[string]bool // see places
	folders map[string]bool // of entries; false where watching failed
	log     *slog.Logger
}

func watch(paths []string, log *slog.Logger) *watcher {
	w := &watcher{folders: map[string]bool{}, log: log}
	system, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("certificates are not watched: a change is seen within a minute", "error", err)
		return w
	}
	w.system, w.events, w.errors = system, system.Events, system.Errors
	w.follow(paths)
	return w
}

// follow watches what paths depend on now, and nothing else.
func (w *watcher) follow(paths []string) {
	if w.system == nil {
		return
	}
	w.entries = map[string]bool{}
	folders := map[string]bool{}
	for _, path := range paths {
		for _, entry := range places(path) {
			w.entries[entry] = true
			folders[filepath.Dir(entry)] = true
		}
	}
	for folder := range w.folders {
		if !folders[folder] {
			_ = w.system.Remove(folder) // it fails for a folder that is gone, and its watch with it
		}
	}
	for folder := range folders {
		err := w.system.Add(folder) // again for a known one: another may have been put in its place
		if before, known := w.folders[folder]; err != nil && (!known || before) {
			w.log.Warn("a folder of certificates is not watched: a change is seen within a minute", "folder", folder, "error", err)
		}
		folders[folder] = err == nil
	}
	w.folders = folders
}

// concerns tells whether an event is about the files, a link on the way to them, or the whole folder.
func (w *watcher) concerns(name string) bool {
	_, folder := w.folders[name]
	return folder || w.entries[name]
}

func (w *watcher) close() {
	if w.system != nil {
		_ = w.system.Close() // it never fails
	}
}
