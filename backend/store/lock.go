package store

import (
	"path/filepath"

	"github.com/mattn/go-sqlite3"

	"proxycache/backend/problem"
)

// Lock holds a data folder for one program. It is SQLite's lock on a file, which the system lets go
// when the process ends, however it ends.
type Lock struct{ conn *sqlite3.SQLiteConn }

// Hold takes the lock whose file is path. A folder that another program holds is a problem.Conflict.
func Hold(path string) (*Lock, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, problem.Wrap(problem.Unavailable, err, "Locking %s: %v. Start from a folder that exists.", path, err)
	}
	var driver sqlite3.SQLiteDriver
	opened, err := driver.Open(fileURI(path) + "?_busy_timeout=0")
	if err != nil {
		return nil, fault("Locking the data folder", path, err)
	}
	conn := opened.(*sqlite3.SQLiteConn)
	if _, err := conn.Exec("BEGIN EXCLUSIVE", nil); err != nil {
		_ = conn.Close() // the lock is what failed
		if busy(err) {
			dir := filepath.Dir(path)
			return nil, problem.Wrap(problem.Conflict, err, "Opening %s: another Proxycache runs on that folder. Use its window, close it, or choose another folder with --dir.", dir)
		}
		return nil, fault("Locking the data folder", path, err)
	}
	return &Lock{conn}, nil
}

// Release lets the folder go.
func (l *Lock) Release() error { return l.conn.Close() }
