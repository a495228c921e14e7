package store

import (
	"database/sql/driver"
	"strings"
)

// rowsAtOnce is how many rows one statement inserts: a call into SQLite, and what it does for each
// statement, cost as much as two rows.
const rowsAtOnce = 32

// bytesAtOnce bounds the blobs of what waits. The driver never gives back the room that one statement's
// values once took.
const bytesAtOnce = 256 << 10

// inserts collects rows of one table and inserts them rowsAtOnce at a time. What waits is not in the
// table yet: flush comes before anything asks for it.
type inserts struct {
	one, many statement
	columns   int
	waiting   int // rows that are set in many
	bytes     int // of their blobs
}

// prepare takes the table with its columns, as INSERT INTO has them. A row that cannot be inserted ends the
// transaction: to take back the statement alone, SQLite would copy each page before it changes it.
func (in *inserts) prepare(c conn, table string) error {
	in.columns = strings.Count(table, ",") + 1
	row := "(?" + strings.Repeat(",?", in.columns-1) + ")"
	text := "INSERT OR ROLLBACK INTO " + table + " VALUES " + row
	if err := in.one.prepare(c, text); err != nil {
		return err
	}
	return in.many.prepare(c, text+strings.Repeat(","+row, rowsAtOnce-1))
}

// next is the row to be filled, all of whose columns must be set. Then done inserts it, at once or with
// others.
func (in *inserts) next() row {
	return in.many.args[in.waiting*in.columns:][:in.columns]
}

func (in *inserts) done() error {
	for _, arg := range in.next() {
		if b, ok := arg.Value.([]byte); ok {
			in.bytes += len(b)
		}
	}
	switch in.waiting++; {
	case in.bytes > bytesAtOnce:
		return in.flush()
	case in.waiting < rowsAtOnce:
		return nil
	}
	defer in.forget()
	return in.many.run()
}

// flush inserts what waits.
func (in *inserts) flush() error {
	defer in.forget()
	for i := range in.waiting {
		for j, arg := range in.many.args[i*in.columns:][:in.columns] {
			in.one.args[j].Value = arg.Value
		}
		if err := in.one.run(); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what waits, and lets go of the blobs.
func (in *inserts) forget() {
	drop := func(args []driver.NamedValue) {
		for i := range args {
			if _, ok := args[i].Value.([]byte); ok {
				args[i].Value = nil
			}
		}
	}
	drop(in.many.args[:in.waiting*in.columns])
	drop(in.one.args)
	in.waiting, in.bytes = 0, 0
}

// row is the columns of one row. Most are what they were the last time the place was used: a value that
// stands there already is not made anew.
type row []driver.NamedValue

func (r row) int(column int, n int64) {
	if old, ok := r[column].Value.(int64); !ok || old != n {
		r[column].Value = n
	}
}

func (r row) text(column int, text string) {
	if old, ok := r[column].Value.(string); !ok || old != text {
		r[column].Value = text
	}
}

// bytes sets a blob, which is empty and not NULL where there are none.
func (r row) bytes(column int, b []byte) {
	if b == nil {
		b = []byte{}
	}
	r[column].Value = b
}

func (r row) null(column int) { r[column].Value = nil }
