// Package bus carries news from one speaker to many listeners and never blocks the speaker.
package bus

import "sync"

// Bus delivers each value to every current listener. A listener whose buffer is full misses the
// value and is told so by a count: whoever needs every value must read a store, not a bus.
// The zero Bus is ready.
type Bus[T any] struct {
	mu        sync.Mutex
	listeners map[*Listener[T]]struct{}
}

// Listener receives on C until Close.
type Listener[T any] struct {
	C      <-chan T
	c      chan T
	bus    *Bus[T]
	missed int
}

// Listen adds a listener that holds up to buffer values it has not read yet.
func (b *Bus[T]) Listen(buffer int) *Listener[T] {
	c := make(chan T, buffer)
	l := &Listener[T]{C: c, c: c, bus: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = map[*Listener[T]]struct{}{}
	}
	b.listeners[l] = struct{}{}
	return l
}

// Say hands v to every listener that has room.
func (b *Bus[T]) Say(v T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		select {
		case l.c <- v:
		default:
			l.missed++
		}
	}
}

// Missed tells how many values were lost since the last call, and forgets them.
func (l *Listener[T]) Missed() int {
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	n := l.missed
	l.missed = 0
	return n
}

// Close ends the delivery and closes C. Closing twice is harmless.
func (l *Listener[T]) Close() {
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	if _, ok := l.bus.listeners[l]; ok {
		delete(l.bus.listeners, l)
		close(l.c)
	}
}
