package cachestore

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"
)

// servers are the addresses of Memcached servers. Their names are looked up when they are dialled, so that
// none has to be known when the configuration is read.
type servers []server

type server string

func (server) Network() string  { return "tcp" }
func (s server) String() string { return string(s) }

// parseServers reads memcached://host[:port][,host[:port]…].
func parseServers(address string) (servers, error) {
	rest, ok := strings.CutPrefix(address, "memcached://")
	if !ok {
		return nil, fmt.Errorf("%q is no address of Memcached: write memcached://host:11211", address)
	}
	var all servers
	for one := range strings.SplitSeq(strings.TrimSuffix(rest, "/"), ",") {
		u, err := url.Parse("//" + one)
		if err != nil || u.Hostname() == "" || u.Host != one {
			return nil, fmt.Errorf("%q in %q is no host with its port: write memcached://host:11211, several with commas between", one, address)
		}
		port := u.Port()
		if port == "" {
			port = "11211"
		}
		all = append(all, server(net.JoinHostPort(u.Hostname(), port)))
	}
	return all, nil
}

// PickServer gives each key one server: the one whose name and the key together have the highest hash, so
// that one server more takes over its share alone.
func (s servers) PickServer(key string) (net.Addr, error) {
	if len(s) == 0 {
		return nil, memcache.ErrNoServers
	}
	best, highest := s[0], uint64(0)
	for _, one := range s {
		if len(s) == 1 {
			break
		}
		if w := word(string(one) + "\n" + key); w >= highest {
			best, highest = one, w
		}
	}
	return best, nil
}

func (s servers) Each(do func(net.Addr) error) error {
	for _, one := range s {
		if err := do(one); err != nil {
			return err
		}
	}
	return nil
}
