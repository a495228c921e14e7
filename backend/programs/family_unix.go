//go:build !windows

package programs

import (
	"os/exec"
	"syscall"
)

// family is a program and what it started: a process group, named by the id of its first.
type family int

// startFamily starts c as the first of a group. When c's context ends the group is asked to end, and
// after patience c is killed.
func startFamily(c *exec.Cmd) (family, error) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = patience
	if err := c.Start(); err != nil {
		return 0, err
	}
	return family(c.Process.Pid), nil
}

// end kills what is left of the group after its first has ended.
func (f family) end() { _ = syscall.Kill(-int(f), syscall.SIGKILL) } // usually nothing is left
