package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// itemOf is the only right answer for a key; its length depends on the key, too.
func itemOf(key string) []byte {
	n, _ := strconv.Atoi(key) // keys are numbers
	return bytes.Repeat([]byte("item "+key+"\n"), 1+n%700)
}

// dying is a target that can be killed and brought back at the same address.
type dying struct {
	address string
	mu      sync.Mutex
	server  *http.Server // nil while it is dead
}

func newDying() (*dying, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	t := &dying{address: address}
	return t, t.live()
}

func (t *dying) live() error {
	l, err := net.Listen("tcp", t.address)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: http.HandlerFunc(serveItem)}
	t.mu.Lock()
	t.server = s
	t.mu.Unlock()
	go func() { _ = s.Serve(l) }() // it ends when it dies
	return nil
}

func (t *dying) alive() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.server != nil
}

// die breaks off everything.
func (t *dying) die() {
	t.mu.Lock()
	s := t.server
	t.server = nil
	t.mu.Unlock()
	if s != nil {
		_ = s.Close()
	}
}

func serveItem(w http.ResponseWriter, r *http.Request) {
	key, ok := strings.CutPrefix(r.URL.Path, "/item/")
	if !ok {
		return // it is asked for its health
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	if n, _ := strconv.Atoi(key); n%3 > 0 {
		w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d, stale-if-error=60", 1+n%20))
	}
	w.Header().Set("ETag", `"`+key+`"`)
	w.Header().Set("Content-Type", "text/plain")
	if r.Header.Get("If-None-Match") == `"`+key+`"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(itemOf(key)) // the client may have left
}
