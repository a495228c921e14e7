// Proxycache puts a proxy in front of your services and behind your programs, and shows every request.
package main

import (
	"context"
	"embed"
	"io/fs"
	"os"
	"os/signal"

	"proxycache/backend/cli"
)

// version is that of the next release.
const version = "0.1.0"

//go:embed all:frontend/dist
var dist embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), cli.Signals...)
	defer stop()
	assets, err := fs.Sub(dist, "frontend/dist")
	if err != nil {
		panic(err) // the name is fixed at build time
	}
	code := cli.Run(ctx, os.Args[1:], cli.Program{
		Version: version, Assets: assets, Window: window(assets), Out: os.Stdout, Err: os.Stderr,
	})
	stop()
	os.Exit(code)
}
