package http2

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
)

// after wants exactly this, and nothing of it before d has passed.
func (c *talk) after(d time.Duration, want ...string) {
	c.t.Helper()
	time.Sleep(d - time.Millisecond)
	c.hear()
	time.Sleep(2 * time.Millisecond)
	synctest.Wait()
	c.hear(want...)
}

func TestWhatTakesTooLong(t *testing.T) {
	for _, s := range []struct {
		name  string
		begin func(c *talk)
		limit time.Duration
		want  []string
	}{
		{"no request", func(c *talk) {}, Defaults.KeepAlive, []string{"GOAWAY 0 NO_ERROR"}},
		{"no further request", func(c *talk) { c.get(1, "/"); c.all() }, Defaults.KeepAlive, []string{"GOAWAY 1 NO_ERROR"}},
		{"nothing but PING", func(c *talk) {
			time.Sleep(Defaults.KeepAlive / 2)
			c.frame(kindPing, 0, 0, []byte("abcdefgh"))
			c.all()
		}, Defaults.KeepAlive / 2, []string{"GOAWAY 0 NO_ERROR"}},
		{"a header without its end", func(c *talk) { c.frame(kindHeaders, 0, 1, c.encode(request("GET", "/")...)) }, Defaults.HeaderTimeout, []string{"GOAWAY 0 ENHANCE_YOUR_CALM"}},
		{"a header that comes drop by drop", func(c *talk) {
			c.frame(kindHeaders, 0, 1, c.encode(request("GET", "/")...))
			time.Sleep(Defaults.HeaderTimeout / 2)
			c.frame(kindContinuation, 0, 1, c.encode("a", "b"))
		}, Defaults.HeaderTimeout / 2, []string{"GOAWAY 0 ENHANCE_YOUR_CALM"}},
		{"HEADERS whose frame stops", func(c *talk) { c.say("\x00\x00\x10\x01\x05\x00\x00\x00\x01\x82") }, Defaults.HeaderTimeout, []string{"GOAWAY 0 ENHANCE_YOUR_CALM"}},
		{"DATA whose frame stops", func(c *talk) { c.post(1, "/hold"); c.say("\x00\x00\x10\x00\x00\x00\x00\x00\x01abc") }, Defaults.BodyTimeout, []string{"GOAWAY 1 ENHANCE_YOUR_CALM"}},
		{"a body that does not come", func(c *talk) { c.post(1, "/"); c.data(1, "x"); c.all() }, Defaults.BodyTimeout, []string{"RST_STREAM 1 INTERNAL_ERROR"}},
		{"an answer that is not taken", func(c *talk) { c.set(settingWindow, 5); c.get(1, "/big"); c.all() }, Defaults.WriteTimeout, []string{"RST_STREAM 1 CANCEL"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			converse(t, answer, Options{}, func(c *talk) {
				s.begin(c)
				c.after(s.limit, s.want...)
			})
		})
	}
}

func TestAConnectionWhoseClientReadsNothingIsGivenUp(t *testing.T) {
	converse(t, answer, Options{}, func(c *talk) {
		<-c.reading
		c.get(1, "/big")
		since := time.Now()
		if err := <-c.served; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
		if took := time.Since(since); took < Defaults.WriteTimeout || took > Defaults.WriteTimeout+time.Second {
			t.Errorf("after %v", took)
		}
		c.served <- nil
		c.reading <- struct{}{}
	})
}

func TestWhatMovesMayTakeHours(t *testing.T) {
	handler := func(s *Stream) {
		_ = s.Begin(200, nil)
		if _, err := io.Copy(s, s); err == nil {
			_ = s.Finish(nil, nil)
		}
	}
	converse(t, handler, Options{}, func(c *talk) {
		c.post(1, "/")
		for range 1000 {
			c.data(1, "x")
			time.Sleep(25 * time.Second)
		}
		c.last(1, "y")
		got := c.all()
		if len(got) != 1003 || got[1002] != "DATA 1 \"\" end" {
			t.Errorf("heard %d frames, the last %q", len(got), got[len(got)-1])
		}
	})
}

// Who listens to an answer that goes on need not say anything, but who does neither is given up.
func TestABodyMayWaitWhileItsAnswerMoves(t *testing.T) {
	const every = 20 * time.Second
	handler := func(s *Stream) {
		began, ended := time.Now(), make(chan struct{})
		go func() {
			defer close(ended)
			_, err := s.Read(make([]byte, 10))
			if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != 6*every+Defaults.BodyTimeout {
				t.Errorf("reading ends after %s: %v", took, err)
			}
		}()
		time.Sleep(every)
		_ = s.Begin(200, nil)
		for range 5 {
			time.Sleep(every)
			_, _ = s.Write([]byte("tick"))
		}
		<-ended
	}
	converse(t, handler, Options{}, func(c *talk) {
		c.post(1, "/")
		time.Sleep(time.Hour)
		if got := c.all(); len(got) < 7 || got[6] != "RST_STREAM 1 INTERNAL_ERROR" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestWindowsComeBackAsBodiesAreRead(t *testing.T) {
	read := make(chan int)
	handler := func(s *Stream) {
		for n := range read {
			_, _ = io.ReadFull(s, make([]byte, n))
		}
		answer(s)
	}
	synctest.Test(t, func(t *testing.T) {
		read = make(chan int)
		c := connect(t, handler, Options{})
		c.say(preface)
		c.frame(kindSettings, 0, 0, nil)
		c.all()
		c.post(1, "/")
		for range streamWindow / maxFrame {
			c.data(1, strings.Repeat("x", maxFrame))
		}
		c.hear()
		if held := c.held(1); held != streamWindow {
			t.Errorf("%d bytes are held", held)
		}
		read <- streamWindow/2 - 1
		c.hear()
		read <- 1
		c.hear(fmt.Sprint("WINDOW_UPDATE 1 ", streamWindow/2+grownWindow-streamWindow))
		read <- streamWindow / 2
		c.hear()
		for range (grownWindow - streamWindow/2) / maxFrame {
			c.data(1, strings.Repeat("x", maxFrame))
		}
		read <- grownWindow/2 - streamWindow/2
		c.hear(fmt.Sprint("WINDOW_UPDATE 1 ", grownWindow/2))
		read <- grownWindow / 2
		c.hear(fmt.Sprint("WINDOW_UPDATE 0 ", streamWindow/2+grownWindow), fmt.Sprint("WINDOW_UPDATE 1 ", grownWindow/2))
		c.last(1, "")
		close(read)
		c.hear("HEADERS 1" + okHead + " end")
	})
}

// All windows of bodies together are less than the connection's, whoever has had a large one.
func TestBodiesThatNobodyReadsLeaveTheConnectionAWindow(t *testing.T) {
	read, over := make(chan struct{}), make(chan struct{})
	handler := func(s *Stream) {
		switch s.Request.Path {
		case "/read":
			for range 4 * grownWindow / maxFrame {
				<-read
				_, _ = io.ReadFull(s, make([]byte, maxFrame))
			}
		}
		<-over
	}
	synctest.Test(t, func(t *testing.T) {
		read, over = make(chan struct{}), make(chan struct{})
		const streams = 30
		c := connect(t, handler, Options{Streams: streams})
		c.say(preface)
		c.frame(kindSettings, 0, 0, nil)
		c.all()
		windows := map[uint32]int{}
		id := uint32(1)
		for ; id < 2*streams; id += 2 {
			windows[id] = streamWindow
			if id < streams { // they grow
				c.post(id, "/read")
			} else {
				c.post(id, "/hold")
			}
		}
		window := connWindow(streams)
		give := func() {
			for _, f := range c.all() {
				var stream uint32
				var by int
				if _, err := fmt.Sscanf(f, "WINDOW_UPDATE %d %d", &stream, &by); err != nil {
					continue
				}
				if stream == 0 {
					window += by
				} else {
					windows[stream] += by
				}
			}
		}
		send := func(stream uint32) {
			for windows[stream] >= maxFrame && window >= maxFrame {
				c.data(stream, strings.Repeat("x", maxFrame))
				windows[stream], window = windows[stream]-maxFrame, window-maxFrame
			}
		}
		for range 4 * grownWindow / maxFrame {
			for stream := uint32(1); stream < streams; stream += 2 {
				send(stream)
			}
			for stream := uint32(1); stream < streams; stream += 2 {
				read <- struct{}{}
			}
			give()
		}
		for stream := range windows { // from now on nothing is read
			send(stream)
		}
		give()
		for stream, left := range windows {
			if left >= maxFrame {
				t.Errorf("stream %d may still send %d bytes, the connection %d", stream, left, window)
			}
		}
		if window < maxFrame {
			t.Errorf("%d bytes are left of the window of the connection", window)
		}
		close(over)
		c.all()
		c.Conn.mu.Lock()
		defer c.Conn.mu.Unlock()
		if c.Conn.grown != 0 {
			t.Errorf("windows are larger by %d when all is over", c.Conn.grown)
		}
	})
}

// A client may take much at once and say so in small pieces when nothing more comes, as Go's does.
func TestUpdatesForWhatWasSentBeforeAreNoNuisance(t *testing.T) {
	converse(t, answer, Options{}, func(c *talk) {
		c.set(settingWindow, 1<<20)
		c.update(0, 1<<20)
		c.get(1, "/big")
		c.all()
		for range 2 * 1 << 20 >> 12 {
			c.update(0, 1<<12)
		}
		c.get(3, "/")
		c.hear("HEADERS 3" + okHead + " end")
	})
}

// held is how much of a body waits to be read.
func (c *talk) held(stream uint32) int {
	synctest.Wait()
	c.Conn.mu.Lock()
	defer c.Conn.mu.Unlock()
	return c.streams[stream].inbox.size
}

func TestABodyThatNobodyReadsKeepsNoWindow(t *testing.T) {
	converse(t, answer, Options{}, func(c *talk) {
		for i := range uint32(40) { // ten windows of the connection
			stream := 2*i + 1
			c.post(stream, "/unread")
			for range 16 {
				c.data(stream, strings.Repeat("x", maxFrame))
			}
			synctest.Wait()
		}
		c.get(101, "/")
		if got := c.all(); got[len(got)-1] != "HEADERS 101"+okHead+" end" {
			t.Errorf("the last is %q", got[len(got)-1])
		}
	})
}

func TestStreamsTakeTurns(t *testing.T) {
	go1 := make(chan struct{})
	handler := func(s *Stream) {
		_ = s.Begin(200, nil)
		<-go1
		answerBig(s)
	}
	synctest.Test(t, func(t *testing.T) {
		go1 = make(chan struct{})
		c := connect(t, handler, Options{})
		c.say(preface)
		c.frame(kindSettings, 0, 0, appendSetting(nil, settingWindow, 1<<20))
		for _, stream := range []uint32{1, 3, 5} {
			c.get(stream, "/")
		}
		c.all()
		close(go1)
		c.all() // up to the window of the connection
		c.update(0, 9*maxFrame)
		var turns []string
		for _, heard := range c.all() {
			if s, ok := strings.CutPrefix(heard, "DATA "); ok {
				turns = append(turns, s[:1])
			}
		}
		if len(turns) < 9 {
			t.Fatalf("the turns are %q", turns)
		}
		for i := 3; i < 9; i++ {
			if turns[i] != turns[i-3] || turns[i] == turns[i-1] {
				t.Errorf("the turns are %q", turns)
				break
			}
		}
	})
}

func answerBig(s *Stream) {
	if _, err := s.Write(make([]byte, 1<<20)); err == nil {
		_ = s.Finish(nil, nil)
	}
}

// counting counts the writes of a connection.
type counting struct {
	net.Conn
	writes atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestASmallAnswerIsOneWrite(t *testing.T) {
	converse(t, answer, Options{}, func(c *talk) {
		conn := &counting{Conn: c.Conn.conn}
		c.Conn.conn = conn
		c.post(1, "/")
		c.last(1, "hello")
		c.hear("HEADERS 1"+okHead, "DATA 1 \"hello\" end")
		c.get(3, "/")
		c.hear("HEADERS 3" + okHead + " end")
		if n := conn.writes.Load(); n != 2 {
			t.Errorf("two answers took %d writes", n)
		}
	})
}

func TestAHeadDoesNotWaitForItsBody(t *testing.T) {
	handler := func(s *Stream) {
		_ = s.Begin(200, nil)
		_, _ = s.Read(make([]byte, 1)) // waits
		_ = s.Finish(nil, nil)
	}
	converse(t, handler, Options{}, func(c *talk) {
		c.post(1, "/")
		c.hear()
		time.Sleep(corkTime)
		c.hear("HEADERS 1 status=200")
	})
}

func TestInterimAnswersAndTrailers(t *testing.T) {
	var errs []error
	handler := func(s *Stream) {
		errs = append(errs, s.Interim(103, fields("Link", "</a.css>")))
		errs = append(errs, s.Begin(200, fields("X-Twice", "1", "x-twice", "2")))
		errs = append(errs, s.Interim(103, nil))
		_, err := s.Write([]byte("body"))
		errs = append(errs, err, s.Finish(nil, fields("X-Sum", "9")), s.Finish(nil, nil))
	}
	converse(t, handler, Options{}, func(c *talk) {
		c.get(1, "/")
		c.hear("HEADERS 1 status=103 link=</a.css>", "HEADERS 1 status=200 x-twice=1 x-twice=2", "DATA 1 \"body\"", "HEADERS 1 x-sum=9 end")
		for i, late := range []bool{false, false, true, false, false, true} {
			if got := errors.Is(errs[i], ErrOver); got != late || !late && errs[i] != nil {
				t.Errorf("step %d: %v", i, errs[i])
			}
		}
	})
}

func TestRequestsBeyondTheLimitAreRefused(t *testing.T) {
	converse(t, answer, Options{Streams: 2}, func(c *talk) {
		c.get(1, "/hold")
		c.get(3, "/hold")
		c.get(5, "/hold")
		c.hear("RST_STREAM 5 REFUSED_STREAM")
		c.rst(1, Cancel)
		c.all()
		c.get(7, "/")
		c.hear("HEADERS 7" + okHead + " end")
	})
}

func TestAStreamThatWasResetCountsUntilItsHandlerReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan struct{})
		c := connect(t, func(s *Stream) { <-busy; answer(s) }, Options{Streams: 2})
		c.say(preface)
		c.frame(kindSettings, 0, 0, nil)
		c.all()
		for i := range uint32(10) {
			c.get(2*i+1, "/")
			c.rst(2*i+1, Cancel)
		}
		synctest.Wait()
		if n := c.calls.Load(); n != 2 {
			t.Errorf("%d handlers run, 2 are meant", n)
		}
		close(busy)
	})
}

func TestAGracefulEnd(t *testing.T) {
	hold := func(s *Stream) {
		if s.Request.Path == "/slow" {
			time.Sleep(10 * time.Second)
		}
		answer(s)
	}
	t.Run("with nothing running", func(t *testing.T) {
		converse(t, hold, Options{}, func(c *talk) {
			c.get(1, "/")
			c.all()
			c.Drain()
			c.hear("GOAWAY 1 NO_ERROR")
			time.Sleep(2 * lingerTime)
			c.hear("end")
		})
	})
	t.Run("in two steps", func(t *testing.T) {
		converse(t, hold, Options{}, func(c *talk) {
			c.get(1, "/slow")
			c.hear()
			c.Drain()
			c.hear("GOAWAY 2147483647 NO_ERROR", "PING")
			c.get(3, "/") // it was on its way
			c.hear("HEADERS 3" + okHead + " end")
			c.frame(kindPing, flagAck, 0, []byte(drainPing))
			c.hear("GOAWAY 3 NO_ERROR")
			c.post(5, "/")
			c.last(5, "ignored")
			c.hear()
			time.Sleep(15 * time.Second)
			c.hear("HEADERS 1"+okHead+" end", "end")
			if n := c.calls.Load(); n != 2 {
				t.Errorf("the handler was called %d times", n)
			}
		})
	})
	t.Run("with a client that answers no PING", func(t *testing.T) {
		converse(t, hold, Options{}, func(c *talk) {
			c.get(1, "/slow")
			c.hear()
			c.Drain()
			c.all()
			c.after(drainTime, "GOAWAY 1 NO_ERROR")
		})
	})
}

func TestHandlersAreToldOfTheEnd(t *testing.T) {
	for _, e := range []struct {
		name string
		end  func(c *talk)
		peer bool
		code Code
	}{
		{"by the client", func(c *talk) { c.rst(1, RefusedStream) }, true, RefusedStream},
		{"with the connection", func(c *talk) { _ = c.conn.Close() }, true, Cancel},
		{"for a fault", func(c *talk) { c.frame(kindWindow, 0, 1, []byte{0, 0, 0, 0}) }, false, ProtocolError},
	} {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told, failed := make(chan struct{}), make(chan error, 2)
				c := connect(t, func(s *Stream) {
					s.OnGone(func() { close(told) })
					<-told
					_, err := s.Read(make([]byte, 10))
					failed <- err
					failed <- s.Begin(200, nil)
				}, Options{})
				c.say(preface)
				c.frame(kindSettings, 0, 0, nil)
				c.post(1, "/")
				c.data(1, "half")
				c.all()
				e.end(c)
				for range 2 {
					got, ok := errors.AsType[*Error](<-failed)
					if !ok || got.Code != e.code || got.Peer != e.peer {
						t.Errorf("the error is %v", got)
					}
				}
			})
		})
	}
}

func TestABodyThatBreaksOffIsNeverComplete(t *testing.T) {
	got := make(chan error, 1)
	for name, end := range map[string]func(c *talk){
		"the connection ends":      func(c *talk) { _ = c.conn.Close() },
		"the stream is reset":      func(c *talk) { c.rst(1, Cancel) },
		"it is too short":          func(c *talk) { c.last(1, "") },
		"the connection is faulty": func(c *talk) { c.data(0, "") },
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(s *Stream) {
				_, err := io.Copy(io.Discard, s)
				got <- err
			}, Options{}, func(c *talk) {
				c.post(1, "/", "content-length", "10")
				c.data(1, "12345")
				c.all()
				end(c)
				synctest.Wait()
				if err := <-got; err == nil {
					t.Error("it looks complete")
				}
			})
		})
	}
}

func TestResponseFieldsAreWrittenInLowerCase(t *testing.T) {
	converse(t, func(s *Stream) {
		_ = s.Answer(200, flow.Header{{Name: "Content-Type", Value: "a"}, {Name: "X-Odd-CASE", Value: "b"}, {Name: "plain", Value: "c"}, {Name: "Set-Cookie", Value: "d"}})
	}, Options{}, func(c *talk) {
		c.get(1, "/")
		c.hear("HEADERS 1 status=200 content-type=a x-odd-case=b plain=c set-cookie=d end")
	})
}
