package demo

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// events sends ?n= server-sent events (WHATWG HTML §9.2), one each ?ms= milliseconds, goes on behind
// Last-Event-ID, and ends by itself with an event called "end".
func events(w http.ResponseWriter, r *http.Request) {
	n, ok := number(w, r, "n", 20, 1, 1000)
	if !ok {
		return
	}
	ms, ok := number(w, r, "ms", 500, 1, 10_000)
	if !ok {
		return
	}
	last, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil || last < 0 {
		last = 0
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	fmt.Fprint(w, "retry: 3000\n\n")
	for id := last + 1; id <= n; id++ {
		fmt.Fprintf(w, "id: %d\nevent: roast\ndata: {\"batch\": %d, \"celsius\": %d}\n\n", id, id, 160+(id*37)%60)
		if flush.Flush() != nil || !rest(r.Context(), time.Duration(ms)*time.Millisecond) {
			return
		}
	}
	fmt.Fprint(w, "event: end\ndata: {}\n\n")
}

const (
	maxMessage = 1 << 20
	maxSilence = 10 * time.Minute
)

// echo sends every WebSocket message back as it came.
func echo(w http.ResponseWriter, r *http.Request) {
	// Any page may connect: there is nothing here but what it sent itself.
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(maxMessage)
	for echoOne(r.Context(), c) {
	}
}

// echoOne is false when the connection is over.
func echoOne(ctx context.Context, c *websocket.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, maxSilence)
	defer cancel()
	kind, message, err := c.Read(ctx)
	if err != nil {
		return false
	}
	return c.Write(ctx, kind, message) == nil
}
