//go:build !cgo

package store

// resultCode is 0: without cgo there is no SQLite, and Open says so. The package is compiled like this
// only to check its types for other systems.
func resultCode(error) int { return 0 }
