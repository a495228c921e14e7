package programs

import (
	"os/exec"

	"golang.org/x/sys/windows"
)

// family is a program and what it started: a job object.
type family windows.Handle

// startFamily starts c in a job of its own. When c's context ends the job is ended.
func startFamily(c *exec.Cmd) (family, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, err
	}
	c.Cancel = func() error { return windows.TerminateJobObject(job, 1) }
	c.WaitDelay = patience
	if err := c.Start(); err != nil {
		_ = windows.CloseHandle(job) // it is empty
		return 0, err
	}
	if err := join(job, c.Process.Pid); err != nil {
		_ = c.Process.Kill() // outside the job nothing could end it later
		_ = c.Wait()
		_ = windows.CloseHandle(job)
		return 0, err
	}
	return family(job), nil
}

func join(job windows.Handle, pid int) error {
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(process) }()
	return windows.AssignProcessToJobObject(job, process)
}

// end ends what is left in the job after its first process has ended.
func (f family) end() {
	_ = windows.TerminateJobObject(windows.Handle(f), 1) // usually nothing is left
	_ = windows.CloseHandle(windows.Handle(f))
}
