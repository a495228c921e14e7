package core

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"proxycache/backend/config"
)

// What serve would refuse for a name that is nowhere, the check of the file tells with its line.
func TestTheCheckOfAFileKnowsThePoolsOfItsCells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	const text = `version = 1
[[listen]]
address = "127.0.0.1:0"
accept = ["reverse"]
[upstreams.shop]
targets = [{ url = "http://127.0.0.1:3000" }]
[[routes]]
name = "shop"
to = "shop"
[[routes.cells]]
use = "breaker"
fallback = "upstream"
fallback_upstream = "nope"
`
	for name, line := range map[string]int{"nope": 13, "shop": 0} {
		if err := os.WriteFile(path, []byte(strings.Replace(text, "nope", name, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := CheckFile(path)
		if err != nil || line == 0 && len(list) > 0 || line > 0 && (len(list) != 1 || list[0].Line != line || list[0].Where != "routes.shop.cells.1.fallback_upstream") {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// lines are what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(of string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), of)
}

// byHand is a core whose file others write.
type byHand struct {
	*Core
	t    *testing.T
	path string
	log  *lines
}

const listening = "version = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\"]\n"

func editedByHand(t *testing.T, text string) *byHand {
	t.Helper()
	dir := t.TempDir()
	h := &byHand{t: t, path: filepath.Join(dir, "config.toml"), log: &lines{}}
	h.save(text)
	c, err := Open(Options{Dir: dir, Version: "test", Log: slog.New(slog.NewTextHandler(h.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	h.Core = c
	t.Cleanup(func() {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *byHand) save(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *byHand) text() string {
	h.t.Helper()
	now, err := h.Config(h.t.Context(), Nothing{})
	if err != nil {
		h.t.Fatal(err)
	}
	return now.Text
}

// add puts a route in front of what is in force, as the window does.
func (h *byHand) add() error {
	_, err := h.edit(func(d *config.Document) error {
		d.Cells = append(d.Cells, config.Cell{ID: "requestid", Use: "requestid"})
		return nil
	})
	return err
}

// problems are what is told of the file.
func (h *byHand) problems() string {
	h.t.Helper()
	s, err := h.Status(h.t.Context(), Nothing{})
	if err != nil {
		h.t.Fatal(err)
	}
	var all []string
	for _, p := range s.ConfigProblems {
		all = append(all, p.Message)
	}
	return strings.Join(all, "\n")
}

func (h *byHand) eventually(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	h.t.Fatalf("never happened: %s; told is %q", what, h.problems())
}

func TestAFileThatWaitsForSomethingOutsideIsTriedAgain(t *testing.T) {
	t.Run("a port", func(t *testing.T) {
		t.Parallel()
		other, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		h := editedByHand(t, listening)
		h.waits(strings.Replace(listening, "127.0.0.1:0", other.Addr().String(), 1), "is taken by", func() { _ = other.Close() })
	})
	t.Run("a certificate", func(t *testing.T) {
		t.Parallel()
		h := editedByHand(t, listening)
		pair := filepath.Join(filepath.Dir(h.path), "authority")
		h.waits(listening+"[tls]\ncertificates = [{ cert = \"late.pem\", key = \"authority/ca-key.pem\" }]\n", "late.pem", func() {
			certificate, err := os.ReadFile(filepath.Join(pair, "ca.pem"))
			if err == nil {
				err = os.WriteFile(filepath.Join(filepath.Dir(h.path), "late.pem"), certificate, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	})
}

// waits saves a text that cannot be put in force before mend was called.
func (h *byHand) waits(text, why string, mend func()) {
	h.t.Helper()
	h.save(text)
	h.eventually("what is wrong is told", func() bool { return strings.Contains(h.problems(), why) })
	if err := h.add(); err == nil || strings.Contains(err.Error(), "mistakes") || !strings.Contains(err.Error(), why) {
		h.t.Errorf("a change meanwhile is told %v", err)
	}
	if got := h.text(); got != listening {
		h.t.Errorf("in force is %q", got)
	}
	time.Sleep(4 * time.Second) // for another attempt, which is not told again
	mend()
	h.eventually("it is in force", func() bool { return h.text() == text && h.problems() == "" })
	if bad, good := h.log.count("not usable"), h.log.count("usable again"); bad != 1 || good != 1 {
		h.t.Errorf("logged %d and %d times:\n%s", bad, good, h.log.text.String())
	}
	if err := h.add(); err != nil {
		h.t.Error(err)
	}
}

func TestAFileWithMistakesIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	h := editedByHand(t, listening)
	h.save(listening + "nonsense\n")
	h.eventually("what is wrong is told", func() bool { return h.problems() != "" })
	if err := h.add(); err == nil || !strings.Contains(err.Error(), "mistakes") {
		t.Errorf("a change is told %v", err)
	}
	h.save(listening)
	h.eventually("all is well", func() bool { return h.problems() == "" })
	if err := h.add(); err != nil {
		t.Error(err)
	}
}

func TestAnAddressIsListenedOnOnceItIsFree(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	h := editedByHand(t, strings.Replace(listening, "127.0.0.1:0", other.Addr().String(), 1))
	if h.Unbound() == nil {
		t.Fatal("it listens where another does")
	}
	_ = other.Close()
	h.eventually("it listens", func() bool { return h.Unbound() == nil && h.proxyURL() == "http://"+other.Addr().String() })
}

func TestAFileThatIsAwayIsToldAndMayBeWritten(t *testing.T) {
	t.Parallel()
	h := editedByHand(t, listening)
	if err := os.Remove(h.path); err != nil {
		t.Fatal(err)
	}
	h.eventually("it is told", func() bool { return strings.Contains(h.problems(), "no such file") })
	if n := h.log.count("no such file"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if err := h.add(); err != nil || h.problems() != "" {
		t.Errorf("a change is told %v, %s", err, h.problems())
	}
	onDisk, err := os.ReadFile(h.path)
	if err != nil || string(onDisk) != h.text() || !strings.Contains(h.text(), "requestid") {
		t.Errorf("%v: in the file is %q, in force %q", err, onDisk, h.text())
	}
}
