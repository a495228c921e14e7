package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"

	"github.com/spf13/cobra"

	"proxycache/backend/admin"
	"proxycache/backend/core"
)

func (p Program) serve(f *flags) *cobra.Command {
	var ui, profile, memstats string
	c := &cobra.Command{
		Use: "serve", Short: "Run without a window; the same interface opens in a browser",
		Long: `Runs the proxy without a window and prints the address of the same interface for a browser.
The address holds a key, which is made at the first start and kept in the file api-key.

Ctrl+C, SIGTERM or SIGHUP ends it: nothing new is accepted, and requests that are under way may end for
as long as [limits] drain says. A second one ends them at once.`,
		Example: `  proxycache serve
  proxycache serve --ui 127.0.0.1:0           any free port for the interface
  PROXYCACHE_LISTEN_0_ADDRESS=127.0.0.1:9000 proxycache serve`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.options(p)
			if err != nil {
				return err
			}
			return profiled(profile, func() error { return p.runServer(c.Context(), o, ui, memstats) })
		},
	}
	c.Flags().StringVar(&ui, "ui", "127.0.0.1:8089", "address of the interface")
	c.Flags().StringVar(&profile, "cpuprofile", "", "write a CPU profile to this file, for go tool pprof")
	c.Flags().StringVar(&memstats, "memstats", "", "write what was allocated while it served, and what collecting it cost, to this file as JSON")
	return c
}

// profiled runs do, with a CPU profile of it in file unless that is "".
func profiled(file string, do func() error) error {
	if file == "" {
		return do()
	}
	f, err := os.Create(file)
	if err != nil {
		return failure{err}
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return failure{err}
	}
	err = do()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

// runServer serves until ctx is done. What it allocated meanwhile goes to the file memstats unless
// that is "".
func (p Program) runServer(ctx context.Context, o core.Options, ui, memstats string) (err error) {
	c, err := core.Open(o)
	if err != nil {
		return err
	}
	shut := func(context.Context) error { return nil } // there is no interface yet
	defer func() { err = errors.Join(err, p.drain(c, shut)) }()
	if err := c.Unbound(); err != nil {
		return err
	}
	server, err := admin.Open(admin.Options{
		Core: c, Assets: p.Assets, Address: ui, KeyFile: filepath.Join(o.Dir, "api-key"), Log: o.Log,
	})
	if err != nil {
		return err
	}
	shut = server.Close
	if err := p.announce(ctx, c, server); err != nil {
		return failure{err}
	}
	if memstats != "" {
		before := memorySoFar()
		defer func() { err = errors.Join(err, before.since(memstats)) }()
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil // the drain, which begins at once, hears the second signal
	}
}

func (p Program) announce(ctx context.Context, c *core.Core, server *admin.Server) error {
	status, err := c.Status(ctx, core.Nothing{})
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Proxycache %s\n", status.Version)
	for _, l := range status.Listeners {
		fmt.Fprintf(&b, "  proxy      http://%s (%s)\n", l.Address, strings.Join(l.Accept, ", "))
	}
	fmt.Fprintf(&b, "  interface  %s\n  data       %s\n", server.URL(), status.DataDir)
	for _, one := range status.ConfigProblems {
		fmt.Fprintf(&b, "  problem    %s:%d:%d: %s\n", status.ConfigFile, one.Line, one.Column, one.Message)
	}
	for _, one := range status.Warnings {
		fmt.Fprintf(&b, "  warning    %s\n", one)
	}
	b.WriteString("Ctrl+C ends it.\n")
	_, err = fmt.Fprint(p.Out, b.String())
	return err
}
