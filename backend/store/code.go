//go:build cgo

package store

import (
	"errors"

	"github.com/mattn/go-sqlite3"
)

// resultCode is SQLite's primary result code, 0 for an error of another origin.
func resultCode(err error) int {
	sqlite, _ := errors.AsType[sqlite3.Error](err)
	return int(sqlite.Code)
}
