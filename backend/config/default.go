package config

// Default is the configuration of a first start: it listens, has the demo API behind it, and says
// what everything is for.
func Default() []byte { return []byte(defaultText) }

const defaultText = `# Proxycache's configuration. It comes into force when you save it; a mistake leaves the old one in
# force and is shown in the window with its line. "proxycache check config.toml" checks it, too.
#
# ${NAME} and ${NAME:-default} stand for environment variables, in any text. PROXYCACHE_LISTEN_0_ADDRESS
# and its like override a value by its path.

version = 1

# Clients whose X-Forwarded-* and X-Request-Id are believed: addresses and networks.
# trusted = ["10.0.0.0/8"]

# Hosts whose HTTPS passes through untouched and unseen. *.bank.example is every host below it.
# pass_through = ["*.bank.example"]

# Where the proxy listens, and what it accepts there:
#   reverse   requests to the proxy itself; a route says where they go
#   forward   requests of programs that use it as their proxy (http://)
#   connect   the same for https://
#   socks5    the same for programs that speak SOCKS5
[[listen]]
address = "127.0.0.1:8080"
accept = ["reverse", "forward", "connect", "socks5"]
# username = "me"                 # wanted from programs that use it as their proxy
# password = "${PROXY_PASSWORD}"
# proxy_protocol = true           # behind a load balancer, which is in trusted: it says who the client is

# Whose certificates clients of https:// are shown: yours, from files that are read again when they
# change, and for names of your own, as for localhost, those of the authority of this computer.
# [tls]
# certificates = [{ cert = "shop.pem", key = "shop.key" }]
# names = ["shop.test", "*.shop.test"]
# min_version = "1.2"

# How much is kept.
# [capture]
# body_cap = "10MiB"        # of each body
# max_exchanges = 1000000   # the oldest go first
# max_age = "30d"           # of an exchange
# max_size = "8GiB"         # of all that is kept

# Pools of servers that do the work. "demo:" is the demo API that comes with Proxycache.
[upstreams.demo]
targets = [{ url = "demo:" }]

# [upstreams.shop]
# targets = [{ url = "http://127.0.0.1:3000" }]

# The first route whose condition holds takes a request through its cells, in their order, to its
# pool. Cells under [[cells]] instead of [[routes.cells]] stand in front of every route.
#
# [[routes]]
# name = "shop"
# when = 'host = "shop.localhost" and path ^= "/v1/"'
# to = "shop"
# lenient = ["line_feed", "obs_fold"] # faults of form that its HTTP/1 messages may have; none at first

[[routes]]
name = "demo"
when = "door = reverse"
to = "demo"

  # Every request gets an id, which its server and its client see.
  [[routes.cells]]
  use = "requestid"

  # Fields that are set, added or removed on the way.
  [[routes.cells]]
  use = "headers"
  response_set = { X-Served-By = "Proxycache" }
`
