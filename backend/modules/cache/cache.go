// Package cache keeps responses and answers from them what it may (RFC 9111).
package cache

import (
	"proxycache/backend/policy"
)

// Module is its entry in the palette.
var Module = policy.Module{
	Name: "cache", Title: "Cache", Summary: "Keeps responses and answers from them as long as they are fresh.",
	Icon: "database", Stage: policy.Serve, Figure: "hit",
	Settings: func() policy.Settings { return new(Settings) },
}
