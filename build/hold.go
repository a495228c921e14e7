package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// held is what a peer has in RAM, in MB (10⁶ bytes), by how many clients stay connected after one
// request each; 0 where it did not get that far.
type held struct {
	resident [3]float64 // all of it
	own      [3]float64 // without what is read from files: the program itself and its libraries
}

var heldClients = [3]int{0, 1_000, 10_000}

// memory connects idle clients to each peer.
func (b *bench) memory(ctx context.Context) error {
	for _, p := range b.peers {
		if p.name == "direct" || p.name == "proxycache-ten" {
			continue
		}
		got, err := b.hold(ctx, p)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			b.figures.fail(p.name, "memory", err)
		}
		say("  %-16s %.0f MB idle, %.0f MB with 1 000 and %.0f MB with 10 000 clients", p.name, got.resident[0], got.resident[1], got.resident[2])
		b.figures.held[p.name] = got
	}
	return nil
}

// idleAfter is how long clients have been silent when memory is looked at: a collector needs a moment.
const idleAfter = 6 * time.Second

func (b *bench) hold(ctx context.Context, p peer) (held, error) {
	var out held
	s, err := p.start(ctx, b.site)
	if err != nil {
		return out, err
	}
	defer s.discard()
	var clients []net.Conn
	defer func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}()
	for i, want := range heldClients {
		more, err := connect(ctx, s.address, want-len(clients))
		clients = append(clients, more...)
		if err != nil {
			return out, fmt.Errorf("with %d clients connected: %w", len(clients), err)
		}
		time.Sleep(idleAfter)
		settle(s.pid())
		if out.resident[i], out.own[i], err = resident(s.pid()); err != nil {
			return out, err
		}
	}
	return out, nil
}

// connect opens connections that have had one answer, 50 at a time.
func connect(ctx context.Context, address string, n int) ([]net.Conn, error) {
	var (
		mu     sync.Mutex
		opened []net.Conn
		failed error
		lanes  sync.WaitGroup
	)
	for lane := range 50 {
		lanes.Go(func() {
			for i := lane; i < n && ctx.Err() == nil; i += 50 {
				c, err := askOnce(ctx, address)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					opened = append(opened, c)
				}
				stop := failed != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	lanes.Wait()
	return opened, failed
}

func askOnce(ctx context.Context, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	answer, err := ask(c, address)
	if err == nil && (answer.StatusCode != http.StatusOK || answer.Close) {
		err = fmt.Errorf("the answer is %s, or the connection is not kept", answer.Status)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func ask(c net.Conn, address string) (*http.Response, error) {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", kilobyte.path, address); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer, err
}

var (
	residentLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)
	ownLine      = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)
)

// resident is the memory of a process and its children that is in RAM, in MB.
func resident(pid int) (all, own float64, err error) {
	mb := func(match []string) float64 { return float64(number(match)) * 1024 / 1e6 }
	for _, one := range tree(pid) {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(one), "status"))
		if err != nil {
			return 0, 0, err
		}
		all += mb(residentLine.FindStringSubmatch(string(text)))
		own += mb(ownLine.FindStringSubmatch(string(text)))
	}
	return all, own, nil
}
