package store

import (
	"context"
	"database/sql/driver"
	"errors"
)

// readerConnector opens connections that cannot write. It comes after the writer, which made the file.
type readerConnector struct{ store *Store }

func (c readerConnector) Connect(context.Context) (driver.Conn, error) {
	return c.store.connect("_mutex=no&_query_only=1&_busy_timeout=10000&_cache_size=-8000")
}

func (c readerConnector) Driver() driver.Driver { return noDriver{} }

// noDriver stands where database/sql wants a driver: connections come from the connector.
type noDriver struct{}

func (noDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("a capture is opened by its store")
}
