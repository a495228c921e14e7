package http2

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// floods are what a hostile client says again and again. Each must be shown the door within 1 000
// frames, and have begun no more work than calls.
var floods = []struct {
	name  string
	begin func(c *talk)
	each  func(c *talk, i uint32) (frames int)
	calls int64
}{
	{"rapid reset (CVE-2023-44487)", nil, func(c *talk, i uint32) int { c.get(2*i+1, "/hold"); c.rst(2*i+1, Cancel); return 2 }, 201},
	{"resets that we are made to send (CVE-2025-8671): WINDOW_UPDATE by 0", nil, func(c *talk, i uint32) int { c.get(2*i+1, "/hold"); c.update(2*i+1, 0); return 2 }, 201},
	{"resets that we are made to send: a window beyond all", nil, func(c *talk, i uint32) int { c.get(2*i+1, "/hold"); c.update(2*i+1, maxWindow); return 2 }, 201},
	// The handlers of what was reset end before the next: else it is refused, which is our fault and not the client's.
	{"resets that we are made to send: DATA after the end", nil, func(c *talk, i uint32) int { c.get(2*i+1, "/hold"); c.data(2*i+1, "x"); synctest.Wait(); return 2 }, 201},
	{"resets that we are made to send: HEADERS after the end", nil, func(c *talk, i uint32) int { c.get(2*i+1, "/hold"); c.get(2*i+1, "/"); synctest.Wait(); return 2 }, 201},
	{"resets that we are made to send: PRIORITY of another length", nil, func(c *talk, i uint32) int {
		c.get(2*i+1, "/hold")
		c.frame(kindPriority, 0, 2*i+1, []byte{0})
		synctest.Wait()
		return 2
	}, 201},
	{"malformed requests", nil, func(c *talk, i uint32) int { c.get(2*i+1, "/", "connection", "close"); return 1 }, 0},
	{"requests beyond the limit", nil, func(c *talk, i uint32) int { c.get(2*i+1, "/hold"); return 1 }, 128},
	{"CONTINUATIONs without an end (CVE-2024-27316)", func(c *talk) { c.frame(kindHeaders, flagEndStream, 1, c.encode(request("GET", "/")...)) },
		func(c *talk, i uint32) int {
			c.frame(kindContinuation, 0, 1, c.encode(fmt.Sprint("a", i), "b"))
			return 1
		}, 0},
	{"empty CONTINUATIONs", func(c *talk) { c.frame(kindHeaders, flagEndStream, 1, c.encode(request("GET", "/")...)) },
		func(c *talk, i uint32) int { c.frame(kindContinuation, 0, 1, nil); return 1 }, 0},
	{"large CONTINUATIONs", func(c *talk) { c.frame(kindHeaders, flagEndStream, 1, c.encode(request("GET", "/")...)) },
		func(c *talk, i uint32) int {
			c.frame(kindContinuation, 0, 1, c.encode("a", strings.Repeat("~", 5000)))
			return 1
		}, 0},
	{"a name without an end", func(c *talk) { c.frame(kindHeaders, flagEndStream, 1, []byte{0x40, 0x7f, 0x80, 0xff, 0x7f}) },
		func(c *talk, i uint32) int { c.frame(kindContinuation, 0, 1, make([]byte, maxFrame)); return 1 }, 0},
	{"blocks of empty CONTINUATIONs", nil, func(c *talk, i uint32) int {
		b := c.encode(request("GET", "/")...)
		c.frame(kindHeaders, flagEndStream, 2*i+1, b)
		for range 9 {
			c.frame(kindContinuation, 0, 2*i+1, nil)
		}
		c.frame(kindContinuation, flagEndHeaders, 2*i+1, nil)
		return 11
	}, 25},
	{"PING (CVE-2019-9512)", nil, func(c *talk, i uint32) int { c.frame(kindPing, 0, 0, []byte("abcdefgh")); return 1 }, 0},
	{"PING that we did not ask for", nil, func(c *talk, i uint32) int { c.frame(kindPing, flagAck, 0, []byte("abcdefgh")); return 1 }, 0},
	{"SETTINGS (CVE-2019-9515)", nil, func(c *talk, i uint32) int { c.set(settingWindow, 1000+i); return 1 }, 0},
	{"SETTINGS ack", nil, func(c *talk, i uint32) int { c.frame(kindSettings, flagAck, 0, nil); return 1 }, 0},
	{"PRIORITY (CVE-2019-9513)", nil, func(c *talk, i uint32) int { c.frame(kindPriority, 0, 2*i+1, []byte{0, 0, 0, 0, 1}); return 1 }, 0},
	{"unknown frames", nil, func(c *talk, i uint32) int { c.frame(0x10, 0, 0, []byte("x")); return 1 }, 0},
	{"GOAWAY", nil, func(c *talk, i uint32) int { c.frame(kindGoAway, 0, 0, make([]byte, 8)); return 1 }, 0},
	{"empty DATA (CVE-2019-9518)", func(c *talk) { c.post(1, "/") }, func(c *talk, i uint32) int { c.data(1, ""); return 1 }, 1},
	{"DATA of nothing but padding", func(c *talk) { c.post(1, "/") }, func(c *talk, i uint32) int { c.frame(kindData, flagPadded, 1, []byte{3, 0, 0, 0}); return 1 }, 1},
	{"empty DATA on a stream that is closed", func(c *talk) { c.post(1, "/unread") }, func(c *talk, i uint32) int { c.data(1, ""); return 1 }, 1},
	{"HEADERS on a stream that we reset", func(c *talk) { c.post(1, "/unread"); c.all() }, func(c *talk, i uint32) int { c.get(1, "/"); return 1 }, 1},
	{"crumbs of DATA long after we reset their stream", func(c *talk) { c.post(1, "/unread"); c.all(); time.Sleep(lateTime + 2*time.Second) },
		func(c *talk, i uint32) int { c.data(1, "x"); return 1 }, 1},
	{"WINDOW_UPDATE of the connection", nil, func(c *talk, i uint32) int { c.update(0, 1); return 1 }, 0},
	{"WINDOW_UPDATE of a stream", func(c *talk) { c.get(1, "/hold") }, func(c *talk, i uint32) int { c.update(1, 1); return 1 }, 1},
	{"WINDOW_UPDATE of a stream that is closed", func(c *talk) { c.get(1, "/") }, func(c *talk, i uint32) int { c.update(1, 1); return 1 }, 1},
	{"a window of crumbs (CVE-2019-9511)", func(c *talk) { c.set(settingWindow, 1); c.get(1, "/big") }, func(c *talk, i uint32) int { c.update(1, 1); return 1 }, 1},
	{"a window of crumbs, by settings", func(c *talk) { c.set(settingWindow, 1); c.get(1, "/big") }, func(c *talk, i uint32) int { c.set(settingWindow, i); return 1 }, 1},
	{"RST_STREAM of what is closed", func(c *talk) { c.get(1, "/") }, func(c *talk, i uint32) int { c.rst(1, Cancel); return 1 }, 1},
}

func TestFloodsAreShownTheDoor(t *testing.T) {
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			converse(t, answer, Options{}, func(c *talk) {
				if f.begin != nil {
					f.begin(c)
				}
				said := 0
				for i := uint32(0); said < 1000; i++ {
					said += f.each(c, i)
				}
				c.ended(EnhanceYourCalm)
				if n := c.calls.Load(); n > f.calls {
					t.Errorf("the handler was called %d times, at most %d are meant", n, f.calls)
				}
			})
		})
	}
}

// A peer that reads nothing must not make us hold its answers.
func TestAFloodByAClientThatReadsNothing(t *testing.T) {
	converse(t, answer, Options{}, func(c *talk) {
		<-c.reading
		most := 0
		for range 1000 {
			c.frame(kindPing, 0, 0, []byte("abcdefgh"))
			c.Conn.mu.Lock()
			most = max(most, c.out.size())
			c.Conn.mu.Unlock()
		}
		if limit := patience[pings].limit * (frameHeader + 8) * 2; most == 0 || most > limit {
			t.Errorf("%d bytes waited to be read, at most %d are meant", most, limit)
		}
		if fault, ok := (<-c.served).(*Error); ok && fault.Code != EnhanceYourCalm {
			t.Errorf("it ended with %v", fault)
		}
		c.served <- nil
		c.reading <- struct{}{}
	})
}

// Answers that a client asks for and does not take hold a handler each: that ends with the write
// timeout, and with the connection where it is done again and again.
func TestAClientThatHoldsAnswersBackIsShownTheDoor(t *testing.T) {
	converse(t, answer, Options{WriteTimeout: 2 * time.Second}, func(c *talk) {
		c.set(settingWindow, 0)
		frames := 0
		for ; frames < 512; frames++ {
			c.get(2*uint32(frames)+1, "/big")
			if frames%128 == 127 {
				time.Sleep(2*time.Second + time.Millisecond)
			}
		}
		c.ended(EnhanceYourCalm)
	})
}

// Legitimate use that looks a little like the floods.
var busy = []struct {
	name string
	say  func(c *talk)
}{
	{"a page that cancels its requests, again and again", func(c *talk) {
		stream := uint32(1)
		for range 20 {
			for range 50 {
				c.get(stream, "/hold")
				stream += 2
			}
			synctest.Wait()
			for s := stream - 100; s < stream; s += 2 {
				c.rst(s, Cancel)
			}
			time.Sleep(3 * time.Second)
		}
	}},
	{"a PING a second for an hour, beside a stream", func(c *talk) {
		c.post(1, "/hold")
		for range 3600 {
			c.frame(kindPing, 0, 0, []byte("abcdefgh"))
			time.Sleep(time.Second)
		}
	}},
	{"a PING for every message, to measure the way", func(c *talk) {
		c.post(1, "/stream")
		for range 10_000 {
			c.data(1, "a message")
			c.frame(kindPing, 0, 0, []byte("abcdefgh"))
		}
	}},
	{"100 000 small messages both ways, with two WINDOW_UPDATEs for each frame that comes back", func(c *talk) {
		c.post(1, "/stream")
		for i := range 100_000 {
			c.data(1, "a message")
			if i%50 != 0 {
				continue
			}
			for _, heard := range c.all() {
				var size uint32
				if _, err := fmt.Sscanf(heard, "DATA 1 %d bytes", &size); err != nil {
					var text string
					if _, err := fmt.Sscanf(heard, "DATA 1 %q", &text); err != nil {
						continue
					}
					size = uint32(len(text))
				}
				c.update(0, size)
				c.update(1, size)
			}
		}
	}},
	{"5 000 small messages and a trailer under way when we reset their stream", func(c *talk) {
		c.post(1, "/unread")
		c.all()
		for range 5000 {
			c.data(1, "a message")
		}
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode("x-sum", "9"))
	}},
	{"10 000 requests with a priority and a larger window each", func(c *talk) {
		for i := range uint32(10_000) {
			c.frame(kindPriority, 0, 2*i+1, []byte{0, 0, 0, 0, 1})
			c.get(2*i+1, "/")
			c.update(2*i+1, 1<<20)
			c.frame(0x10, 0, 0, []byte("u=1"))
			if i%100 == 0 {
				synctest.Wait()
			}
		}
	}},
}

func TestBusyClientsAreWelcome(t *testing.T) {
	stream := func(s *Stream) {
		if s.Request.Path != "/stream" {
			answer(s)
			return
		}
		_ = s.Begin(200, nil)
		_, _ = io.Copy(s, s)
	}
	for _, b := range busy {
		t.Run(b.name, func(t *testing.T) {
			converse(t, stream, Options{}, func(c *talk) {
				b.say(c)
				c.get(1<<20+1, "/")
				got := c.all()
				select {
				case err := <-c.served:
					t.Errorf("it ended: %v", err)
					c.served <- nil
				default:
				}
				if !slices.Contains(got, "HEADERS 1048577"+okHead+" end") {
					t.Errorf("the last request is not answered: %d frames, %q", len(got), got[max(0, len(got)-3):])
				}
			})
		})
	}
}
