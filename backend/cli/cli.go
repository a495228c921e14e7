// Package cli is the door for a terminal: the window, the server and the tools around them as commands.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"proxycache/backend/core"
	"proxycache/backend/problem"
)

// Program is what the commands stand on.
type Program struct {
	Version string
	Assets  fs.FS // the built interface
	// Window opens the desktop window and returns when it is closed.
	Window func(ctx context.Context, o core.Options) error
	Out    io.Writer
	Err    io.Writer
}

// Exit codes.
const (
	Good   = 0
	Failed = 1
	Misuse = 2 // the command line itself is wrong
)

// Run does what args say and returns the exit code. Errors are told in one line each.
func Run(ctx context.Context, args []string, p Program) int {
	root := p.root()
	root.SetArgs(args)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	for _, c := range root.Commands() {
		switch c.Name() { // cobra's own take any word for a wish to be helped
		case "completion":
			c.Args, c.RunE = cobra.NoArgs, showHelp
		case "help":
			c.Args = knownCommand
		}
	}
	err := root.ExecuteContext(ctx)
	if err == nil {
		return Good
	}
	var list problem.List
	if errors.As(err, &list) {
		for _, one := range list {
			fmt.Fprintf(p.Err, "proxycache: %v\n", one)
		}
		return Failed
	}
	if _, told := errors.AsType[*problem.Problem](err); told || isFailure(err) {
		fmt.Fprintf(p.Err, "proxycache: %v\n", err)
		return Failed
	}
	fmt.Fprintf(p.Err, "proxycache: %v\nproxycache --help shows what there is.\n", err)
	return Misuse
}

// showHelp is what a command does that has others below it and was given none of them.
func showHelp(c *cobra.Command, _ []string) error { return c.Help() }

// knownCommand wants the path of a command.
func knownCommand(c *cobra.Command, path []string) error {
	found, rest, err := c.Root().Find(path)
	if err == nil && (len(rest) > 0 || found == nil) {
		err = fmt.Errorf("unknown help topic %q", strings.Join(path, " "))
	}
	return err
}

// failure marks an error of doing, not of asking.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

func isFailure(err error) bool {
	_, ok := errors.AsType[failure](err)
	return ok
}

// flags are those of every command.
type flags struct {
	dir, config string
	verbose     bool
}

func (f *flags) options(p Program) (core.Options, error) {
	if f.dir == "" {
		dir, err := core.DefaultDir()
		if err != nil {
			return core.Options{}, err
		}
		f.dir = dir
	}
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return core.Options{}, failure{err}
	}
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(p.Err, &slog.HandlerOptions{Level: level}))
	return core.Options{Dir: dir, Config: f.config, Version: p.Version, Log: log}, nil
}

func (p Program) root() *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:   "proxycache",
		Short: "A proxy in front of your services and behind your programs, with every request in sight",
		Long: `Proxycache puts a proxy in front of your services and behind your programs, keeps every
request, and shows what happened to it. Without a command it opens its window.`,
		Example: `  proxycache                                  open the window
  proxycache serve                            no window: the interface in a browser
  curl -x http://127.0.0.1:8080 http://example.com/   send something through it`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.options(p)
			if err != nil {
				return err
			}
			return p.Window(c.Context(), o)
		},
	}
	root.PersistentFlags().StringVar(&f.dir, "dir", "", "folder of configuration, traffic and certificate (default: PROXYCACHE_DIR, or proxycache in your configuration folder)")
	root.PersistentFlags().StringVar(&f.config, "config", "", "configuration file (default: config.toml in that folder)")
	root.PersistentFlags().BoolVar(&f.verbose, "verbose", false, "log what the proxy does, not only what goes wrong")
	root.AddCommand(p.serve(&f), p.cells(&f), p.check(), p.authority(&f), p.version())
	return root
}

func (p Program) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Example: "  proxycache version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.Out, p.Version)
			return err
		},
	}
}

func (p Program) check() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Check a configuration file and say what is wrong, and where",
		Example: "  proxycache check config.toml && echo it can be put in force",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			list, err := core.CheckFile(args[0])
			if err != nil {
				return err
			}
			if len(list) == 0 {
				_, err := fmt.Fprintf(p.Out, "%s: nothing is wrong with it\n", args[0])
				return err
			}
			for _, one := range list {
				fmt.Fprintln(p.Err, place(args[0], one))
			}
			return problem.New(problem.Invalid, "%s: %d problems; it would not be put in force", args[0], len(list))
		},
	}
}

// place is a problem as compilers print theirs, so that editors can jump to it.
func place(file string, p *problem.Problem) string {
	text := p.Message
	if p.Where != "" {
		text = problem.Printable(p.Where) + ": " + text
	}
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", file, text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", file, p.Line, p.Column, text)
}
