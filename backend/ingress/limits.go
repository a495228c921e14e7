package ingress

import (
	"time"

	"proxycache/backend/http1"
	"proxycache/backend/schema"
)

// Limits are the section [limits]: what clients may take. Times are of idleness: an upload or a stream
// that moves may take hours. Other limits hold for connections that are open too, from their next
// request on.
type Limits struct {
	Connections   int             `toml:"connections" title:"Connections" default:"16384" min:"1" max:"1000000" help:"How many connections of clients may be open; further ones wait. The system may allow fewer: three quarters of the files that the program may open."`
	PerClient     int             `toml:"connections_per_client" title:"Connections of one client" default:"0" min:"0" max:"1000000" help:"How many of them one client may have, an IPv4 address or an IPv6 network of 64 bits; further ones are answered 503. 0 for no limit."`
	InFlight      int             `toml:"in_flight" title:"Requests at once" default:"16384" min:"0" max:"10000000" help:"How many requests may be under way, over all connections; further ones are answered 503. WebSockets and tunnels count until they are open. 0 for no limit."`
	HeaderTimeout schema.Duration `toml:"header_timeout" title:"Header timeout" default:"10s" min:"100ms" max:"10m" help:"How long a request's header may take from its first byte to its last, and a TLS handshake."`
	BodyTimeout   schema.Duration `toml:"body_timeout" title:"Body timeout" default:"30s" min:"100ms" max:"1d" help:"How long a request's body may take each time until more of its content comes, unless the client takes the answer meanwhile."`
	WriteTimeout  schema.Duration `toml:"write_timeout" title:"Write timeout" default:"30s" min:"100ms" max:"1d" help:"How long a client may take nothing of its answer."`
	KeepAlive     schema.Duration `toml:"keep_alive" title:"Keep-alive" default:"60s" min:"1s" max:"1d" help:"How long a connection is kept without a request."`
	HeaderSize    schema.Size     `toml:"header_size" title:"Header size" default:"64KiB" min:"1KiB" max:"16MiB" help:"How many bytes a request's header may have, its first line included; more is answered 431."`
	HeaderFields  int             `toml:"header_fields" title:"Header fields" default:"100" min:"1" max:"10000" help:"How many fields it may have; more is answered 431."`
	TargetSize    schema.Size     `toml:"target_size" title:"Target size" default:"8KiB" min:"64B" max:"1MiB" help:"How many bytes its path and query may have; more is answered 414."`
	Streams       int             `toml:"streams" title:"HTTP/2 streams" default:"128" min:"1" max:"10000" help:"How many requests a client may have under way on one HTTP/2 connection. Connections that are open keep the number they began with."`
	Drain         schema.Duration `toml:"drain" title:"Drain" default:"30s" min:"0s" max:"1h" help:"How long requests that are under way may take to end when the proxy is told to. WebSockets, tunnels and event streams end with the last of them."`
}

// bounds are limits in force.
type bounds struct {
	Limits
	head http1.Limits

	headerTimeout, bodyTimeout, writeTimeout, keepAlive time.Duration
}

// newBounds takes zero Limits for the defaults.
func newBounds(l Limits) *bounds {
	if l == (Limits{}) {
		schema.Defaults(&l)
	}
	return &bounds{
		Limits: l, head: http1.Limits{Head: int(l.HeaderSize), Fields: l.HeaderFields, Target: int(l.TargetSize)},
		headerTimeout: time.Duration(l.HeaderTimeout), bodyTimeout: time.Duration(l.BodyTimeout),
		writeTimeout: time.Duration(l.WriteTimeout), keepAlive: time.Duration(l.KeepAlive),
	}
}

// limit puts limits in force.
func (s *Server) limit(l Limits) {
	b := newBounds(l)
	s.limits.Store(b)
	most := descriptors()
	s.places.allow(min(b.Connections, most))
	if most < b.Connections {
		s.options.Log.Info("fewer connections are possible than the limit allows, for want of file descriptors", "limit", b.Connections, "possible", most)
	}
}
