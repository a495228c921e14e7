package upstream

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// run starts the command and waits for it. Nothing is given to a shell.
func (c *check) run(ctx context.Context, t *target) error {
	command := exec.CommandContext(ctx, c.Command[0], c.Command[1:]...)
	command.Dir = c.folder
	command.Env = append(os.Environ(), "PROXYCACHE_TARGET="+t.address)
	ownGroup(command)
	command.WaitDelay = time.Second // what it started may hold its output open
	var said tail
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	if err == nil {
		return nil
	}
	if text := said.String(); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

// maxTail is how many bytes of a command's output a reason shows.
const maxTail = 200

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-maxTail):]...)
	t.kept = t.kept[max(0, len(t.kept)-maxTail):]
	return len(p), nil
}

func (t *tail) String() string {
	return strings.ToValidUTF8(strings.Join(strings.Fields(string(t.kept)), " "), "")
}
