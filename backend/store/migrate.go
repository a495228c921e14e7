package store

import (
	"embed"
	"fmt"
	"io"
	"slices"

	"database/sql/driver"

	"proxycache/backend/problem"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the files that are ours ("PXYC").
const applicationID = 0x50585943

// migrate brings the file up to this version. Each step is one transaction, so that a crash leaves
// the file at one version or the next.
func (w *writer) migrate() error {
	steps, err := migrations.ReadDir("migrations") // sorted by name
	if err != nil {
		return problem.Wrap(problem.Internal, err, "Opening the capture: %v. Report this.", err)
	}
	version, err := w.ours(len(steps))
	if err != nil {
		return err
	}
	if err := w.shape(); err != nil {
		return w.store.fault("Opening the capture", err)
	}
	for i := version; i < len(steps); i++ {
		text, err := migrations.ReadFile("migrations/" + steps[i].Name())
		if err != nil {
			return problem.Wrap(problem.Internal, err, "Opening the capture: %v. Report this.", err)
		}
		script := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", text, applicationID, i+1)
		if _, err := w.conn.exec(script); err != nil {
			w.rollback()
			return w.store.fault("Bringing the capture up to this version", err)
		}
	}
	return nil
}

// shape sets what belongs to the file and must be said before it has a table, and what the writer keeps to.
// Large pages make for fewer writes: with 4 KiB an exchange costs a third more. A statement of many rows
// notes whole pages, so that it alone could be undone: by default in a file for temporary ones, which had
// three times as many writes as the capture, and what passes does not belong there.
func (w *writer) shape() error {
	for _, pragma := range []string{
		"PRAGMA page_size = 16384", "PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL",
		"PRAGMA wal_autocheckpoint = 2000", "PRAGMA journal_size_limit = 67108864", // 32 and 64 MiB
		"PRAGMA temp_store = MEMORY",
	} {
		if _, err := w.row(pragma); err != nil {
			return err
		}
	}
	return nil
}

// ours is the version of a file that is a capture or empty; anything else is left untouched.
func (w *writer) ours(newest int) (version int, err error) {
	const doing = "Opening the capture"
	values := make([]int64, 3)
	for i, query := range []string{"PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema"} {
		if values[i], err = w.number(query); err != nil {
			return 0, w.store.fault(doing, err)
		}
	}
	switch id, version, tables := values[0], values[1], values[2]; {
	case id != applicationID && tables > 0:
		return 0, problem.New(problem.Unavailable, "%s: %s is a database of another program. Move it to another place, or choose another folder with --dir.", doing, w.store.path)
	case version > int64(newest):
		return 0, problem.New(problem.Unavailable, "%s: %s was written by a newer Proxycache (format %d; this one knows %d). Start the newer one, or choose another folder with --dir.", doing, w.store.path, version, newest)
	default:
		return int(version), nil
	}
}

// number is the answer of a query that gives one.
func (w *writer) number(query string, args ...driver.Value) (int64, error) {
	row, err := w.row(query, args...)
	if err != nil || row == nil {
		return 0, err
	}
	n, _ := row[0].(int64)
	return n, nil
}

// row is the first row of the answer, nil when there is none.
func (w *writer) row(query string, args ...driver.Value) ([]driver.Value, error) {
	rows, err := w.conn.query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(out); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return slices.Clone(out), nil
}
