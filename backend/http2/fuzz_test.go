package http2

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// FuzzConnection says anything after the preface: the server must neither panic nor hang, and hold no
// more than its windows and its buffer.
func FuzzConnection(f *testing.F) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":path", "/"}, {":authority", "a"}, {"x", "y"}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			f.Fatal(err)
		}
	}
	settings := appendHeader(nil, kindSettings, 0, 0, 0)
	put := func(to []byte, k kind, flags uint8, stream uint32, payload []byte) []byte {
		return append(appendHeader(to, k, flags, stream, len(payload)), payload...)
	}
	headers := put(settings, kindHeaders, flagEndHeaders, 1, block.Bytes())
	f.Add(settings)
	f.Add(put(headers, kindData, flagEndStream, 1, []byte("hello")))
	f.Add(put(headers, kindData, flagPadded, 1, []byte("\x02hello\x00\x00")))
	f.Add(put(put(headers, kindWindow, 0, 1, []byte{0, 0, 1, 0}), kindReset, 0, 1, []byte{0, 0, 0, 8}))
	f.Add(put(put(settings, kindHeaders, flagEndStream, 1, block.Bytes()[:3]), kindContinuation, flagEndHeaders, 1, block.Bytes()[3:]))
	f.Add(put(put(settings, kindPing, 0, 0, []byte("12345678")), kindGoAway, 0, 0, make([]byte, 8)))
	f.Add(put(settings, kindSettings, 0, 0, appendSetting(appendSetting(nil, settingWindow, 1), settingTableSize, 0)))
	f.Fuzz(func(t *testing.T, said []byte) {
		near, far := net.Pipe()
		c := New(far, handlerFunc(answerAnything), Options{})
		served := make(chan error, 1)
		go func() { served <- c.Serve() }()
		go func() { _, _ = io.Copy(io.Discard, near) }()
		_, _ = near.Write(append([]byte(preface), said...))
		c.mu.Lock()
		held := c.out.size()
		for _, s := range c.streams {
			held += s.inbox.size
		}
		c.mu.Unlock()
		if held > connWindow(Defaults.Streams)+full+maxFrame+maxControl*(frameHeader+8)+1<<10 {
			t.Errorf("%d bytes are held", held)
		}
		_ = near.Close()
		select {
		case <-served:
		case <-time.After(10 * time.Second):
			t.Fatal("it hangs")
		}
	})
}

func answerAnything(s *Stream) {
	if s.Begin(200, nil) != nil {
		return
	}
	if _, err := io.Copy(s, s); err == nil {
		_ = s.Finish(nil, s.Trailer())
	}
}
