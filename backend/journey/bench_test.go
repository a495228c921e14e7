package journey

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"proxycache/backend/core"
)

// One keep-alive request through the whole proxy to a bare origin and back, both in this process: the
// allocations are the proxy's alone.
func BenchmarkProxied(b *testing.B) {
	origin := bareOrigin(b)
	for _, c := range []struct {
		name      string
		recording bool
	}{{"capture off", false}, {"capture on", true}} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			text := "version = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\"]\n[upstreams.origin]\ntargets = [{ url = \"http://" + origin + "\" }]\n[[routes]]\nname = \"all\"\nto = \"origin\"\n"
			if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			house, err := core.Open(core.Options{Dir: dir, Version: "bench"})
			if err != nil {
				b.Fatal(err)
			}
			defer house.Close(context.Background())
			if _, err := house.SetRecording(b.Context(), c.recording); err != nil {
				b.Fatal(err)
			}
			status, err := house.Status(b.Context(), core.Nothing{})
			if err != nil {
				b.Fatal(err)
			}
			conn, err := net.Dial("tcp", status.Listeners[0].Address)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			repeat(b, conn)
		})
	}
}

// repeat sends the same request again and again, and reads answers of the first one's length.
func repeat(b *testing.B, conn net.Conn) {
	b.Helper()
	request := []byte("GET /1k.json HTTP/1.1\r\nHost: 127.0.0.1:18102\r\n\r\n")
	answer := make([]byte, 4096)
	if _, err := conn.Write(request); err != nil {
		b.Fatal(err)
	}
	n := 0
	for !bytes.Contains(answer[:n], []byte("\r\n\r\n")) || !bytes.HasSuffix(answer[:n], []byte("x")) {
		m, err := conn.Read(answer[n:])
		if err != nil {
			b.Fatal(err)
		}
		n += m
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, answer[:n]); err != nil {
			b.Fatal(err)
		}
	}
}

// bareOrigin answers each head with the same 1 KB.
func bareOrigin(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nConnection: keep-alive\r\nETag: \"abc\"\r\nAccept-Ranges: bytes\r\n\r\n" + strings.Repeat("x", 1024))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := make([]byte, 4096)
				for {
					n, err := c.Read(in)
					if err != nil {
						return
					}
					if bytes.HasSuffix(in[:n], []byte("\r\n\r\n")) {
						if _, err := c.Write(answer); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
