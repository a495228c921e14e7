// Package modules is the list of the modules, in the usual order of a pipeline.
package modules

import (
	"proxycache/backend/modules/breaker"
	"proxycache/backend/modules/cache"
	"proxycache/backend/modules/compress"
	"proxycache/backend/modules/fault"
	"proxycache/backend/modules/headers"
	"proxycache/backend/modules/mock"
	"proxycache/backend/modules/ratelimit"
	"proxycache/backend/modules/requestid"
	"proxycache/backend/modules/retry"
	"proxycache/backend/policy"
)

// all is what the palette shows. A new module is a folder beside this file and a line here.
var all = []policy.Module{
	requestid.Module,
	ratelimit.Module,
	fault.Module,
	headers.Module,
	compress.Module,
	cache.Module,
	mock.Module,
	retry.Module,
	breaker.Module,
}

// Lookup finds a module by the name that a cell uses.
func Lookup(name string) (policy.Module, bool) {
	for _, m := range all {
		if m.Name == name {
			return m, true
		}
	}
	return policy.Module{}, false
}

// Names are all names in pipeline order.
func Names() []string {
	names := make([]string, len(all))
	for i, m := range all {
		names[i] = m.Name
	}
	return names
}
