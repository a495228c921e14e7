//go:build unix

package upstream

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"proxycache/backend/schema"
)

func TestACommandIsEndedWithAllThatItHasStarted(t *testing.T) {
	held := filepath.Join(t.TempDir(), "held")
	if err := syscall.Mkfifo(held, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { // what a pipe is read to ends when nobody holds it open any more
		f, err := os.Open(held)
		if err == nil {
			_, err = io.ReadAll(f)
			_ = f.Close()
		}
		ended <- err
	}()
	got := asked(t, "http://192.0.2.1", nil, func(h *HealthCheck) {
		h.Type, h.Command = "command", []string{"sh", "-c", `(sleep 20; :) > "$0" & wait`, held}
		h.Timeout = schema.Duration(2 * time.Second)
	})
	if got != "no answer within 2s" {
		t.Errorf("it says %q", got)
	}
	if err := within(t, ended, "the end of what the command has started"); err != nil {
		t.Error(err)
	}
}
