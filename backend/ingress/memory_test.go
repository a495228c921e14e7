package ingress

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"runtime/pprof"
	"testing"

	"proxycache/backend/flow"
)

// used is what the process holds: objects, and stacks.
func used() (heap, stacks int64) {
	for range 4 { // each collection halves a stack that is mostly empty
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

// doze tells that n connections wait for the next request with the least they can.
func doze(n int) bool {
	var text bytes.Buffer
	if pprof.Lookup("goroutine").WriteTo(&text, 1) != nil {
		return false
	}
	_, stack, found := bytes.Cut(text.Bytes(), fmt.Appendf(nil, "\n%d @ ", n))
	stack, _, _ = bytes.Cut(stack, []byte("\n\n"))
	return found && bytes.Contains(stack, []byte("(*input).doze"))
}

// Ten thousand idle connections are to fit into 150 MB, with the program itself. What the clients hold
// in this process is counted in.
func TestAnIdleConnectionHoldsLittle(t *testing.T) {
	const connections = 1000
	h := open(t, func(x *flow.Exchange) *flow.Response {
		deep(40)
		return ok(x)
	})
	heap, stacks := used()
	talks := make([]net.Conn, connections)
	for i := range talks {
		talk := h.dial()
		talk.say(get)
		talk.hear(okAnswer)
		talks[i], talk.in, talk.Conn = talk.Conn, nil, nil
	}
	eventually(t, "all are idle", func() bool { return doze(connections) })
	nowHeap, nowStacks := used()
	each := (nowHeap - heap + nowStacks - stacks) / connections
	t.Logf("%d bytes each, of them %d of stack", each, (nowStacks-stacks)/connections)
	if each > idleBytes {
		t.Errorf("an idle connection holds %d bytes, at most %d are allowed", each, idleBytes)
	}
	runtime.KeepAlive(talks)
}

// deep needs a stack as handlers do.
//
//go:noinline
func deep(n int) int {
	var frame [256]byte
	frame[n] = byte(n)
	if n == 0 {
		return int(frame[0])
	}
	return deep(n-1) + int(frame[n])
}
