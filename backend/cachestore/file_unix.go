//go:build !windows

package cachestore

import "os"

func openRead(path string) (*os.File, error) { return os.Open(path) }

func openUpdate(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR, 0) }

// replaceFile gives the file from the name to. Who has the one before open can read it to its end.
func replaceFile(from, to string) error { return os.Rename(from, to) }
