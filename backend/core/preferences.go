package core

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"

	"proxycache/backend/atomicfile"
	"proxycache/backend/problem"
)

// preferencesLimit bounds the file, so that a page cannot fill the disk with its memory.
const preferencesLimit = 64 << 10

// preferenceFile is preferences.json.
type preferenceFile struct {
	mu   sync.Mutex
	path string
}

// Preferences are how a person likes the window; the usual ones when the file is missing or damaged.
func (c *Core) Preferences(context.Context, Nothing) (Preferences, error) {
	c.likes.mu.Lock()
	defer c.likes.mu.Unlock()
	p := Preferences{Theme: "dark", RowHeight: "compact", Pages: map[string]string{}}
	text, err := os.ReadFile(c.likes.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil { // a look is not worth an error: the next change writes a sound file
		c.log.Warn("reading the preferences", "file", c.likes.path, "error", err)
	}
	if p.Pages == nil {
		p.Pages = map[string]string{}
	}
	return p, nil
}

// SetPreferences keeps them for the next start.
func (c *Core) SetPreferences(_ context.Context, p Preferences) (Nothing, error) {
	if !slices.Contains([]string{"dark", "light", "system"}, p.Theme) || !slices.Contains([]string{"compact", "comfortable"}, p.RowHeight) {
		return Nothing{}, problem.New(problem.Invalid, "Keeping the preferences: theme is dark, light or system, row height compact or comfortable.")
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return Nothing{}, problem.Wrap(problem.Internal, err, "Keeping the preferences: %v.", err)
	}
	if len(text) > preferencesLimit {
		return Nothing{}, problem.New(problem.Invalid, "Keeping the preferences: they have %d bytes, more than %d.", len(text), preferencesLimit)
	}
	c.likes.mu.Lock()
	defer c.likes.mu.Unlock()
	if err := atomicfile.WriteBytes(c.likes.path, 0o600, text); err != nil {
		return Nothing{}, problem.Wrap(problem.Unavailable, err, "Keeping the preferences in %s: %v. Make room on the disk.", c.likes.path, err)
	}
	return Nothing{}, nil
}
