//go:build headless

package main

import (
	"context"
	"io/fs"

	"proxycache/backend/core"
	"proxycache/backend/problem"
)

// window: a server has no libraries for one.
func window(fs.FS) func(context.Context, core.Options) error {
	return func(context.Context, core.Options) error {
		return problem.New(problem.Unavailable, "Opening the window: this build has none. Run `proxycache serve` and open the address it prints in a browser.")
	}
}
