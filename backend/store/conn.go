package store

import (
	"context"
	"database/sql/driver"
)

// conn is one connection, used without database/sql between: that would cost more than SQLite does.
type conn struct{ driver.Conn }

func (c conn) exec(query string, args ...driver.Value) (driver.Result, error) {
	return c.Conn.(driver.ExecerContext).ExecContext(context.Background(), query, numbered(args))
}

func (c conn) query(query string, args ...driver.Value) (driver.Rows, error) {
	return c.Conn.(driver.QueryerContext).QueryContext(context.Background(), query, numbered(args))
}

func numbered(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, v := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return out
}
