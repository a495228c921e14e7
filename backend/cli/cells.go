package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"proxycache/backend/core"
	"proxycache/backend/problem"
)

func (p Program) cells(f *flags) *cobra.Command {
	var ui string
	c := &cobra.Command{
		Use: "cells [CELL [ACTION [NAME=VALUE]…]]", Short: "Show the cells and pools of a running Proxycache that have a state, and act on them",
		Long: `Asks the Proxycache that "proxycache serve" runs on this machine. Without arguments it lists the cells
that have a state (caches, limits, breakers) and the pools. With a cell it shows the cell's figures and
actions, with a pool how its targets stand and why; with an action it does that.`,
		Example: `  proxycache cells
  proxycache cells shop-api/cache
  proxycache cells upstream/shop
  proxycache cells shop-api/cache purge tag=products`,
		RunE: func(c *cobra.Command, args []string) error {
			o, err := f.options(p)
			if err != nil {
				return err
			}
			door := remote{address: ui, keyFile: filepath.Join(o.Dir, "api-key")}
			if len(args) > 1 {
				return p.actOnCell(c.Context(), door, args[0], args[1], args[2:])
			}
			return p.showCells(c.Context(), door, args)
		},
	}
	c.Flags().StringVar(&ui, "ui", "127.0.0.1:8089", "address of the interface of the running Proxycache")
	return c
}

// showCells lists all, or tells everything of one.
func (p Program) showCells(ctx context.Context, door remote, only []string) error {
	var cells []core.CellState
	if err := door.call(ctx, "cells", nil, &cells); err != nil {
		return err
	}
	pools, err := door.pools(ctx)
	if err != nil {
		return err
	}
	if len(only) == 0 {
		return p.listCells(cells, pools)
	}
	for _, c := range cells {
		if c.Cell == only[0] {
			return p.showCell(c)
		}
	}
	for _, pool := range pools {
		if only[0] == poolPrefix+pool.Pool {
			showPool(p.Out, pool)
			return nil
		}
	}
	return problem.New(problem.NotFound, "Showing the cell %q: no running cell or pool of that name has a state. See `proxycache cells`.", only[0])
}

func (p Program) listCells(cells []core.CellState, pools []core.PoolFigure) error {
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	for _, c := range cells {
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Cell, c.Level, c.Summary)
	}
	for _, pool := range pools {
		level, summary := standing(pool)
		fmt.Fprintf(w, "%s%s\t%s\t%s\n", poolPrefix, pool.Pool, level, summary)
	}
	return w.Flush()
}

func (p Program) showCell(c core.CellState) error {
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: %s, %s\n", c.Cell, c.Level, c.Summary)
	for _, f := range c.Figures {
		var labels []string
		for _, l := range f.Labels {
			labels = append(labels, l.Name+"="+l.Value)
		}
		value := strconv.FormatFloat(f.Value, 'f', -1, 64)
		fmt.Fprintf(w, "  %s\t%s\t%s\n", strings.Join(append([]string{f.Name}, labels...), " "), value, f.Help)
	}
	for _, a := range c.Actions {
		line := a.Name
		for _, one := range a.Arguments {
			if one.Required {
				line += " " + one.Name + "=…"
			} else {
				line += " [" + one.Name + "=…]"
			}
		}
		fmt.Fprintf(w, "  %s\t\t%s\n", line, a.Help)
	}
	return w.Flush()
}

func (p Program) actOnCell(ctx context.Context, door remote, cell, action string, pairs []string) error {
	arguments := map[string]string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is no argument of an action: write NAME=VALUE", pair)
		}
		arguments[name] = value
	}
	var done string
	if err := door.call(ctx, "actOnCell", core.CellAction{Cell: cell, Action: action, Arguments: arguments}, &done); err != nil {
		return err
	}
	_, err := fmt.Fprintln(p.Out, done)
	return err
}

// remote is the interface of a Proxycache that runs.
type remote struct{ address, keyFile string }

// patience is how long an action may take: a cache may be warmed with many addresses.
const patience = 10 * time.Minute

// call calls a method of frontend/src/api/backend.ts. argument is nil for one without.
func (r remote) call(ctx context.Context, method string, argument any, answer any) error {
	key, err := os.ReadFile(r.keyFile)
	if err != nil {
		return problem.Wrap(problem.Unavailable, err, "Reading the key of the interface: %v. Start one with `proxycache serve`, or name its folder with --dir.", err)
	}
	text, err := json.Marshal(argument)
	if err != nil {
		return failure{err}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.address+"/api/call/"+method, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%q is no address of an interface: write host:port", r.address)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(key)))
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request) // no proxy of the environment in between
	if err != nil {
		return problem.Wrap(problem.Unavailable, err, "Asking the interface at %s: %v. Start one with `proxycache serve`, or name its address with --ui.", r.address, err)
	}
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	if err != nil {
		return failure{err}
	}
	if response.StatusCode != http.StatusOK {
		return said(response.StatusCode, text)
	}
	return json.Unmarshal(text, answer)
}

// said is the problem that an interface answers with.
func said(status int, text []byte) error {
	var answer struct{ Problem core.Problem }
	if json.Unmarshal(text, &answer) != nil || answer.Problem.Message == "" {
		return failure{errors.New(strings.TrimSpace(fmt.Sprintf("the interface answers %d: %s", status, text)))}
	}
	return problem.New(problem.Kind(answer.Problem.Kind), "%s", answer.Problem.Message).At(answer.Problem.Where)
}
