package store

import (
	"path/filepath"

	"github.com/mattn/go-sqlite3"

	"proxycache/backend/problem"
)

// Lock holds a data folder for one program. It is SQLite's lock on a file, which the system lets go
// when the process ends, however it ends.
type Lock struct{ conn conn }

// Hold takes the lock whose file is path. A folder that another program holds is a problem.Conflict.
func Hold(path string) (*Lock, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return nil, problem.Wrap(problem.Unavailable, err, "Locking %s: %v. Start from a folder that exists.", path, err)
	}
	path = whole
	held, err := lock(path)
	if busy(err) {
		dir := filepath.Dir(path)
		return nil, problem.Wrap(problem.Conflict, err, "Opening %s: another Proxycache runs on that folder. Use its window, close it, or choose another folder with --dir.", dir)
	}
	if err != nil {
		return nil, fault("Locking the data folder", path, err)
	}
	return &Lock{held}, nil
}

func lock(path string) (conn, error) {
	var sqlite sqlite3.SQLiteDriver
	opened, err := sqlite.Open(fileURI(path) + "?_busy_timeout=0")
	if err != nil {
		return conn{}, err
	}
	c := conn{opened}
	if _, err := c.exec("BEGIN EXCLUSIVE"); err != nil {
		_ = c.Close() // why there is no lock is in err
		return conn{}, err
	}
	return c, nil
}

// Release lets the folder go.
func (l *Lock) Release() error { return l.conn.Close() }
