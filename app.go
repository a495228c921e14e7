//go:build !headless

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"log/slog"
	"net/http"
	"os/signal"
	"time"

	"github.com/wailsapp/wails/v2"
	"github.com/wailsapp/wails/v2/pkg/logger"
	"github.com/wailsapp/wails/v2/pkg/options"
	"github.com/wailsapp/wails/v2/pkg/options/assetserver"
	"github.com/wailsapp/wails/v2/pkg/options/linux"
	"github.com/wailsapp/wails/v2/pkg/options/mac"
	"github.com/wailsapp/wails/v2/pkg/runtime"

	"proxycache/backend/cli"
	"proxycache/backend/core"
	"proxycache/backend/desktop"
)

const (
	// grace is how long running exchanges may take to end after the window closed.
	grace = 5 * time.Second
	// late is when the end is slow enough to say why.
	late = 300 * time.Millisecond
)

// window opens the desktop window over a core of its own and returns when it is closed.
func window(assets fs.FS) func(context.Context, core.Options) error {
	return func(ctx context.Context, o core.Options) error {
		c, err := core.Open(o)
		if err != nil {
			return errors.Join(err, windowOf(ctx, failurePage(err), nil, nil))
		}
		door := desktop.New(c)
		started := func(ctx context.Context) { go desktop.Run(ctx, door) }
		err = windowOf(ctx, assetserver.Options{Assets: assets, Handler: c.Content()}, started, door)
		return errors.Join(err, drain(c, o.Log))
	}
}

// drain closes c, and says what it waits for. A signal is the deadline.
func drain(c *core.Core, log *slog.Logger) error {
	patience := min(grace, c.DrainTime())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, cli.Signals...)
	defer stop()
	slow := time.AfterFunc(late, func() {
		log.Warn("waiting for what is under way", "requests", c.Left().Requests, "at most", patience)
	})
	defer slow.Stop()
	return c.Close(ctx)
}

func windowOf(ctx context.Context, assets assetserver.Options, started func(context.Context), door *desktop.Desktop) error {
	var bind []any
	if door != nil {
		bind = []any{door}
	}
	return wails.Run(&options.App{
		Title: "Proxycache", Width: 1280, Height: 800, MinWidth: 720, MinHeight: 480,
		BackgroundColour: options.NewRGB(0x0E, 0x10, 0x13),
		AssetServer:      &assets,
		Bind:             bind,
		LogLevel:         logger.ERROR, LogLevelProduction: logger.ERROR,
		Linux: &linux.Options{ProgramName: "proxycache"},
		Mac:   &mac.Options{TitleBar: mac.TitleBarHiddenInset()},
		OnStartup: func(wails context.Context) {
			context.AfterFunc(ctx, func() { runtime.Quit(wails) }) // Ctrl+C in the terminal it was started from
			if started != nil {
				started(wails)
			}
		},
	})
}

// failurePage says why there is nothing to show: a double click has no terminal to read it in.
func failurePage(err error) assetserver.Options {
	page := fmt.Appendf(nil, `<!doctype html><html lang="en"><meta charset="utf-8"><title>Proxycache</title>
<style>:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:36rem;margin:18vh auto 0;padding:0 1.5rem}h1{font-size:1.25rem}</style>
<h1>Proxycache could not start</h1><p>%s</p></html>`, html.EscapeString(err.Error()))
	return assetserver.Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(page))
	})}
}
