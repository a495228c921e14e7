package ingress

import "proxycache/backend/schema"

// Limits are the section [limits]: what clients may take. Times are of idleness: an upload or a stream
// that moves may take hours.
type Limits struct {
	Connections   int             `toml:"connections" title:"Connections" default:"16384" min:"1" max:"1000000" help:"How many connections of clients may be open; further ones wait in the system's queue."`
	HeaderTimeout schema.Duration `toml:"header_timeout" title:"Header timeout" default:"10s" min:"100ms" max:"10m" help:"How long a request's header may take from its first byte to its last."`
	BodyTimeout   schema.Duration `toml:"body_timeout" title:"Body timeout" default:"30s" min:"100ms" max:"1d" help:"How long a client may send nothing while its request's body is not complete."`
	WriteTimeout  schema.Duration `toml:"write_timeout" title:"Write timeout" default:"30s" min:"100ms" max:"1d" help:"How long a client may take nothing of its answer."`
	KeepAlive     schema.Duration `toml:"keep_alive" title:"Keep-alive" default:"60s" min:"1s" max:"1d" help:"How long a connection is kept without a request."`
}
