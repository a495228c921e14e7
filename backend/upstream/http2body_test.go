package upstream

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"proxycache/backend/problem"
)

// speaker is a connection of HTTP/2 as an origin sees it.
type speaker struct {
	*peer
	*http2.Framer
}

// speaks is an origin that says settings first and hands each frame of a stream to do.
func speaks(t *testing.T, settings []http2.Setting, do func(s *speaker, frame http2.Frame)) (address string) {
	t.Helper()
	return serve(t, func(p *peer) {
		if _, err := io.ReadFull(p.in, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		s := &speaker{p, http2.NewFramer(p.Conn, p.in)}
		if s.WriteSettings(settings...) != nil {
			return
		}
		for {
			frame, err := s.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = s.WriteSettingsAck()
				}
			case *http2.PingFrame:
				if !frame.IsAck() {
					_ = s.WritePing(true, frame.Data)
				}
			case *http2.WindowUpdateFrame:
			default:
				do(s, frame)
			}
		}
	})
}

func (s *speaker) answers(stream uint32, text string) {
	_ = head(s.Framer, stream, section{lines: []string{":status: 200"}})
	_ = s.WriteData(stream, true, []byte(text))
}

// open is a body of which something has come, and no more comes.
func openBody(t *testing.T) io.Reader {
	t.Helper()
	body, write := io.Pipe()
	t.Cleanup(func() { _ = write.Close() })
	return io.MultiReader(strings.NewReader("begun"), body)
}

func TestATargetThatGoesWhileTheBodyIsOpenIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name string
		goes func(s *speaker, stream uint32)
	}{
		{"it closes", func(s *speaker, _ uint32) { _ = s.Close() }},
		{"it resets the stream", func(s *speaker, stream uint32) { _ = s.WriteRSTStream(stream, http2.ErrCodeInternal) }},
		{"it says GOAWAY", func(s *speaker, stream uint32) { _ = s.WriteGoAway(stream-1, http2.ErrCodeNo, nil) }},
	} {
		for _, answered := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ", after its head ", answered), func(t *testing.T) {
				t.Parallel()
				p := openTo(t, "h2c://"+speaks(t, nil, func(s *speaker, frame http2.Frame) {
					if frame, ok := frame.(*http2.DataFrame); ok && string(frame.Data()) == "begun" {
						if answered {
							_ = head(s.Framer, frame.StreamID, section{lines: []string{":status: 200"}})
						}
						c.goes(s, frame.StreamID)
					}
				}))
				x := withBody(ask(t, "POST", "/"), openBody(t), -1)
				failed := make(chan error, 1)
				go func() {
					r, err := p.Send(x)
					if err == nil {
						_, err = io.ReadAll(r.Body)
						_ = r.Body.Close()
					}
					failed <- err
				}()
				if err := within(t, failed, "the end"); problem.KindOf(err) != problem.Terminated {
					t.Errorf("it ended with %v", err)
				}
			})
		}
	}
}

func TestWhatAGoAwayPassesOverIsSentAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		method string
		body   io.Reader
		want   string
	}{
		{"no body", "GET", nil, ""},
		{"a short body that is complete", "POST", strings.NewReader("short"), "short"},
		{"an empty body", "POST", strings.NewReader(""), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bodies := map[uint32]string{}
			p := openTo(t, "h2c://"+speaks(t, nil, func(s *speaker, frame http2.Frame) {
				if data, ok := frame.(*http2.DataFrame); ok && s.n > 1 {
					bodies[frame.Header().StreamID] += string(data.Data())
				}
				switch stream := frame.Header().StreamID; {
				case !frame.Header().Flags.Has(http2.FlagDataEndStream):
				case s.n == 1:
					_ = s.WriteGoAway(0, http2.ErrCodeNo, nil)
				default:
					s.answers(stream, "got "+bodies[stream])
				}
			}))
			x := ask(t, c.method, "/")
			if c.body != nil {
				withBody(x, c.body, -1)
			}
			if got := read(t, send(t, p, x)); got != "got "+c.want {
				t.Errorf("answered %q", got)
			}
		})
	}
	t.Run("a body that is not complete", func(t *testing.T) {
		p := openTo(t, "h2c://"+speaks(t, nil, func(s *speaker, frame http2.Frame) {
			if _, ok := frame.(*http2.DataFrame); ok {
				_ = s.WriteGoAway(0, http2.ErrCodeNo, nil)
			}
		}))
		x := withBody(ask(t, "POST", "/"), openBody(t), -1)
		if got := refused(t, p, x, problem.Terminated); x.Sent || !strings.Contains(got, "said GOAWAY and did not process") {
			t.Errorf("it is told as %q, and counts as sent: %v", got, x.Sent)
		}
	})
}

func TestAHeaderThatTheTargetDoesNotTake(t *testing.T) {
	p := openTo(t, "h2c://"+speaks(t, []http2.Setting{{ID: http2.SettingMaxHeaderListSize, Val: 2000}}, func(s *speaker, frame http2.Frame) {
		if frame, ok := frame.(*http2.HeadersFrame); ok {
			s.answers(frame.StreamID, "taken")
		}
	}))
	if got := get(t, p, "/"); got != "taken" {
		t.Fatalf("answered %q", got)
	}
	x := ask(t, "GET", "/", "X-Large: "+strings.Repeat("x", 4000))
	r := send(t, p, x)
	if text := read(t, r); r.Status != 431 || !strings.Contains(text, "SETTINGS_MAX_HEADER_LIST_SIZE") || problem.KindOf(x.Problem) != problem.BadRequest || x.Sent {
		t.Errorf("answered %d %q, sent %v: %v", r.Status, text, x.Sent, x.Problem)
	}
	if got := get(t, p, "/"); got != "taken" || p.Stats().Faults != (Faults{}) {
		t.Errorf("then %q, and the faults are %+v", got, p.Stats().Faults)
	}
}

func TestAPeerThatAcknowledgesNothingIsNotALateAnswer(t *testing.T) {
	p := openTo(t, "h2c://127.0.0.1:1")
	gone := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
	if q := p.broken(p.seats[0].named, "Waiting", gone); q.Kind != problem.Terminated || !strings.Contains(q.Message, "gone without a word") {
		t.Errorf("it is told as %s: %s", q.Kind, q.Message)
	}
}

// largeHead is head in as many frames as it needs.
func largeHead(s *speaker, stream uint32, of section) {
	const most = 16 << 10
	block := fieldsOf(of.lines...)
	n := min(len(block), most)
	_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:n], EndHeaders: n == len(block), EndStream: of.ends})
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(len(block), most)
		_ = s.WriteContinuation(stream, n == len(block), block[:n])
	}
}

func TestALargeHeadEndsItsExchangeAlone(t *testing.T) {
	for name, lines := range map[string][]string{
		"one field":   {":status: 200", "x-large: " + strings.Repeat("x", 200<<10)},
		"many fields": append([]string{":status: 200"}, strings.Split(strings.Repeat(",x-many: "+strings.Repeat("y", 1000), 100)[1:], ",")...),
	} {
		t.Run(name, func(t *testing.T) {
			p := openTo(t, "h2c://"+speaks(t, nil, func(s *speaker, frame http2.Frame) {
				frame, ok := frame.(*http2.HeadersFrame)
				switch {
				case !ok:
				case frame.Header().StreamID == 1:
					_ = head(s.Framer, 1, section{lines: []string{":status: 200"}})
				case frame.Header().StreamID == 3:
					largeHead(s, 3, section{lines: lines})
				default:
					_ = s.WriteData(1, true, []byte("whole"))
					largeHead(s, 5, section{lines: []string{":status: 103", lines[len(lines)-1]}})
					_ = head(s.Framer, 5, section{lines: []string{":status: 200"}})
					_ = s.WriteData(5, false, []byte("body"))
					largeHead(s, 5, section{lines[1:], true})
				}
			}))
			other := send(t, p, ask(t, "GET", "/other"))
			if got := refused(t, p, ask(t, "GET", "/"), problem.BadResponse); !strings.Contains(got, "longer than 65536 bytes") {
				t.Errorf("the message is %q", got)
			}
			r, err := p.Send(ask(t, "GET", "/trailer"))
			if err == nil { // the interim head was small
				_, err = io.ReadAll(r.Body)
				_ = r.Body.Close()
			}
			if problem.KindOf(err) != problem.BadResponse {
				t.Errorf("a large interim head or trailer gives %v", err)
			}
			if body := read(t, other); body != "whole" {
				t.Errorf("the other exchange got %q", body)
			}
			if u := p.Stats(); u.Opened != 1 {
				t.Errorf("%d connections were opened", u.Opened)
			}
		})
	}
}

// What a client does not take is held by its target, and holds up nobody else.
func TestAnAnswerThatNobodyTakesIsHeldInPart(t *testing.T) {
	var wrote atomic.Int64
	p := openTo(t, "h2c://"+serveH2C(t, func(w http.ResponseWriter, r *http.Request) {
		for r.URL.Path == "/endless" {
			n, err := w.Write(make([]byte, 16<<10))
			if wrote.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	const several = 8
	for range several {
		r := send(t, p, ask(t, "GET", "/endless"))
		defer r.Body.Close()
	}
	for last := int64(-1); last != wrote.Load(); time.Sleep(300 * time.Millisecond) {
		last = wrote.Load()
	}
	if most := int64(several * (receiveWindow + 64<<10)); wrote.Load() > most {
		t.Errorf("the target got rid of %d bytes, %d are meant", wrote.Load(), most)
	}
	_ = get(t, p, "/")
	if u := p.Stats(); u.Opened != 1 {
		t.Errorf("%d connections were opened", u.Opened)
	}
}

func TestTrailersThatNobodyAnnouncedPassOverHTTP2(t *testing.T) {
	for name, announced := range map[string]string{"none": "", "another": "X-Other", "what cannot be one": "Content-Length"} {
		t.Run(name, func(t *testing.T) {
			got := make(chan http.Header, 1)
			decoder := hpack.NewDecoder(4096, nil)
			p := openTo(t, "h2c://"+speaks(t, nil, func(s *speaker, any http2.Frame) { // net/http's server has those alone that were announced
				frame, ok := any.(*http2.HeadersFrame)
				if !ok {
					return
				}
				fields, err := decoder.DecodeFull(frame.HeaderBlockFragment())
				if frame.StreamEnded() {
					h := http.Header{}
					for _, f := range fields {
						h.Add(f.Name, f.Value)
					}
					got <- h
					s.answers(frame.StreamID, fmt.Sprint(err))
				}
			}))
			x := ask(t, "POST", "/")
			if announced != "" {
				x.Request.Header.Add("Trailer", announced)
			}
			_ = read(t, send(t, p, withBody(x, &trailing{strings.NewReader("body"), x.Request}, -1)))
			if h := within(t, got, "the trailer"); len(h) != 2 || h.Get("x-sum") != "42" || h.Get("x-hop") != "1" {
				t.Errorf("the trailer is %v", h)
			}
		})
	}
}

func TestATargetOfHTTP2IsAskedForItsWord(t *testing.T) {
	var c *patient
	early := make(chan bool, 1)
	p := openTo(t, "h2c://"+serveH2C(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(417)
			return
		}
		_, wasRead := c.heard()
		early <- wasRead
		body, _ := io.ReadAll(r.Body) // which says 100
		_, _ = w.Write(body)
	}))
	x := ask(t, "POST", "/no")
	c = expecting(x, "unwanted", 8)
	r := send(t, p, x)
	_ = read(t, r)
	if _, wasRead := c.heard(); r.Status != 417 || wasRead {
		t.Errorf("answered %d, the body was read: %v", r.Status, wasRead)
	}
	x = ask(t, "POST", "/yes")
	c = expecting(x, "wanted", 6)
	if got := read(t, send(t, p, x)); got != "wanted" || <-early {
		t.Errorf("answered %q", got)
	}
	c.wasTold(t, "100")
}
