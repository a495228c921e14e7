//go:build unix

package upstream

import (
	"os/exec"
	"syscall"
)

// ownGroup has command run in a process group of its own, which is ended as a whole when its time is
// over: what a script has started does not outlive it.
func ownGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error {
		if syscall.Kill(-command.Process.Pid, syscall.SIGKILL) == nil {
			return nil
		}
		return command.Process.Kill() // the group may have ended, which this one tells
	}
}
