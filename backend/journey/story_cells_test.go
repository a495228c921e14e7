package journey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing/fstest"
	"time"

	"proxycache/backend/admin"
	"proxycache/backend/cli"
)

// cells asks the running program for its cells as a person does in a terminal. The interface is opened
// when it is first asked.
type cells struct {
	house *house
	ui    string
}

func (c *cells) open() error {
	if c.ui != "" {
		return nil
	}
	s, err := admin.Open(admin.Options{
		Core: c.house.Core, Assets: fstest.MapFS{}, Address: "127.0.0.1:0", KeyFile: filepath.Join(c.house.dir, "api-key"),
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	c.ui, _, _ = strings.Cut(address(s.URL()), "/")
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	c.house.t.Cleanup(func() {
		if err := errors.Join(s.Close(context.Background()), <-ended); err != nil {
			c.house.t.Error(err)
		}
	})
	return nil
}

// command is `proxycache cells` with these arguments.
func (c *cells) command(args ...string) (string, error) {
	if err := c.open(); err != nil {
		return "", err
	}
	var out bytes.Buffer
	args = append([]string{"cells", "--dir", c.house.dir, "--ui", c.ui}, args...)
	if code := cli.Run(c.house.t.Context(), args, cli.Program{Version: "test", Out: &out, Err: &out}); code != cli.Good {
		return "", fmt.Errorf("%s", strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// lines are what is told of a cell or a pool, with single blanks.
func (c *cells) lines(name string) (out []string, err error) {
	text, err := c.command(name)
	for line := range strings.Lines(text) {
		out = append(out, single(line))
	}
	return out, err
}

func single(line string) string { return strings.Join(strings.Fields(line), " ") }

func (s *telling) cell(one section) error {
	lines := one.lines()
	if len(lines) < 2 {
		return stop{fmt.Errorf("write the name of a cell, and lines with what is told of it")}
	}
	var wrong error
	within(3*time.Second, func() bool { // figures come after the answer
		wrong = s.tells(lines[0], lines[1:], 2)
		return wrong == nil
	})
	return wrong
}

// tells holds what is told of a cell to texts, the first of which is in a line of the section.
func (s *telling) tells(name string, texts []string, line int) error {
	told, err := s.cells.lines(name)
	if err != nil {
		return stop{err}
	}
	var wrong []error
	for i, text := range texts {
		if !anyHas(told, single(text)) {
			wrong = append(wrong, at(line+i, "no line of %s has %q:\n%s", name, text, strings.Join(told, "\n")))
		}
	}
	return errors.Join(wrong...)
}

func anyHas(lines []string, text string) bool {
	for _, line := range lines {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

func (s *telling) wait(one section) error {
	if one.name == "wait until" {
		return s.waitUntil(one)
	}
	d, err := time.ParseDuration(strings.TrimSpace(one.text))
	if err != nil || d <= 0 || d > 2*time.Second {
		return stop{at(1, "%q: write a time of at most 2s, as 300ms", strings.TrimSpace(one.text))}
	}
	time.Sleep(d)
	return nil
}

func (s *telling) waitUntil(one section) error {
	for i, line := range one.lines() {
		name, text, ok := strings.Cut(line, " ")
		if !ok {
			return stop{at(i+1, "%q: write a cell and a text that is told of it", line)}
		}
		var wrong error
		if !within(5*time.Second, func() bool { wrong = s.tells(name, []string{text}, i+1); return wrong == nil }) {
			return wrong
		}
	}
	return nil
}

func (s *telling) act(one section) error {
	lines := one.lines()
	if len(lines) == 0 {
		return stop{fmt.Errorf("write a cell, an action and its arguments")}
	}
	said, err := s.cells.command(arguments(lines[0])...)
	if err != nil {
		return stop{at(1, "%v", err)}
	}
	var wrong []error
	for i, text := range lines[1:] {
		if !strings.Contains(said, text) {
			wrong = append(wrong, at(i+2, "%q is not in %q", text, said))
		}
	}
	return errors.Join(wrong...)
}

// arguments are the words of a command line; what stands between single quotes is one.
func arguments(line string) (out []string) {
	word, quoted, begun := "", false, false
	for _, r := range line + " " {
		switch {
		case r == '\'':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				out = append(out, word)
			}
			word, begun = "", false
		default:
			word, begun = word+string(r), true
		}
	}
	return out
}
