package cachestore

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func openRead(path string) (*os.File, error) { return openShared(path, syscall.GENERIC_READ) }

func openUpdate(path string) (*os.File, error) {
	return openShared(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE)
}

// openShared opens a file so that others can remove it meanwhile: it then loses its name at once and can
// be read to its end, as on other systems.
func openShared(path string, access uint32) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	share := uint32(syscall.FILE_SHARE_READ | syscall.FILE_SHARE_WRITE | syscall.FILE_SHARE_DELETE)
	handle, err := syscall.CreateFile(name, access, share, nil, syscall.OPEN_EXISTING, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}

// replaceFile gives the file from the name to. Windows refuses to rename over a file that is open, but not
// to remove it first.
func replaceFile(from, to string) error {
	err := os.Rename(from, to)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(from, to)
}
