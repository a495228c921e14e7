package upstream

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"proxycache/backend/flow"
)

// plain is a codec whose messages are strings.
type plain struct{}

func (plain) Name() string { return "plain" }

func (plain) Marshal(v any) ([]byte, error) {
	if s, ok := v.(*string); ok {
		return []byte(*s), nil
	}
	return nil, fmt.Errorf("%T is no message", v)
}

func (plain) Unmarshal(data []byte, v any) error {
	s, ok := v.(*string)
	if !ok {
		return fmt.Errorf("%T is no message", v)
	}
	*s = string(data)
	return nil
}

// calls are what the server of gRPC does, by method.
func calls(ended chan<- error) grpc.StreamHandler {
	return func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		switch method {
		case "/t/Echo":
			s.SetTrailer(metadata.Pairs("x-sum", "all", "x-bin-bin", "\x00\xff"))
			for {
				var m string
				if err := s.RecvMsg(&m); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				m = strings.ToUpper(m)
				if err := s.SendMsg(&m); err != nil {
					return err
				}
			}
		case "/t/Refuse":
			return status.Error(codes.PermissionDenied, "not you: ä%")
		case "/t/Half":
			m := "half"
			if err := s.SendMsg(&m); err != nil {
				return err
			}
			return status.Error(codes.Aborted, "in the middle")
		case "/t/Late":
			until, ok := s.Context().Deadline()
			m := fmt.Sprint(ok && time.Until(until) <= patience)
			return s.SendMsg(&m)
		default:
			if m := "here"; s.SendMsg(&m) != nil {
				return nil
			}
			<-s.Context().Done()
			ended <- s.Context().Err()
			return s.Context().Err()
		}
	}
}

// front passes what comes by HTTP/2 in the clear through the pool, as the ingress does.
func front(t *testing.T, p *Pool) string {
	t.Helper()
	return serveFront(t, func(w http.ResponseWriter, r *http.Request) {
		request := &flow.Request{
			Method: r.Method, Scheme: "http", Authority: r.Host, Target: r.RequestURI, Proto: "HTTP/2.0",
			Header: listOf(r.Header), Body: r.Body, ContentLength: r.ContentLength,
		}
		x := flow.NewExchange(r.Context(), flow.Reverse, request)
		x.Enter("upstream/shop", "upstream")
		answer, err := p.Send(x)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		for _, f := range answer.Header {
			w.Header().Add(f.Name, f.Value)
		}
		w.WriteHeader(answer.Status)
		flush := http.NewResponseController(w).Flush
		if answer.ContentLength != 0 { // else the head ends the stream
			_ = flush()
		}
		buf := make([]byte, 4096)
		for {
			n, err := answer.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			if n > 0 {
				_ = flush()
			}
			if err != nil {
				break
			}
		}
		if answer.Trailer != nil {
			for _, f := range answer.Trailer() {
				w.Header().Add(http.TrailerPrefix+f.Name, f.Value)
			}
		}
	})
}

func serveFront(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = quietLog
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestGRPC(t *testing.T) {
	ours := newAuthority(t)
	cert := ours.leaf(t, -1, 1, "localhost")
	for _, c := range []struct {
		scheme string
		creds  credentials.TransportCredentials
	}{{"h2c", insecure.NewCredentials()}, {"https", credentials.NewServerTLSFromCert(&cert)}} {
		t.Run(c.scheme, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			server := grpc.NewServer(grpc.Creds(c.creds), grpc.ForceServerCodec(plain{}), grpc.UnknownServiceHandler(calls(ended)))
			served := make(chan struct{})
			go func() {
				defer close(served)
				_ = server.Serve(l)
			}()
			t.Cleanup(func() {
				server.Stop()
				<-served
			})
			_, port, _ := net.SplitHostPort(l.Addr().String())
			s := settings(c.scheme + "://localhost:" + port)
			s.CA = ours.file
			p := open(t, s, Options{})
			client, err := grpc.NewClient("passthrough:///"+front(t, p), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(plain{})))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			talk(t, client)
			endings(t, client, ended)
			if u := p.Stats(); u.Opened != 1 || u.Shared != 1 {
				t.Errorf("the figures are %+v", u.Usage)
			}
		})
	}
}

var bothWays = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

// talk streams both ways at once, and looks at the trailers.
func talk(t *testing.T, client *grpc.ClientConn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := client.NewStream(ctx, bothWays, "/t/Echo")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"one", "", strings.Repeat("large", 40_000), "four"} {
		if err := s.SendMsg(&m); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := s.RecvMsg(&got); err != nil || got != strings.ToUpper(m) {
			t.Fatalf("the echo of %.10q is %.10q, %v", m, got, err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var none string
	if err := s.RecvMsg(&none); err != io.EOF {
		t.Errorf("at the end came %q, %v", none, err)
	}
	if h := s.Trailer(); strings.Join(h.Get("x-sum"), "") != "all" || strings.Join(h.Get("x-bin-bin"), "") != "\x00\xff" {
		t.Errorf("the trailer is %v", h)
	}
}

// endings are the ways in which a call ends without success.
func endings(t *testing.T, client *grpc.ClientConn, ended <-chan error) {
	t.Helper()
	m, got := "m", ""
	err := client.Invoke(t.Context(), "/t/Refuse", &m, &got)
	if s := status.Convert(err); s.Code() != codes.PermissionDenied || s.Message() != "not you: ä%" {
		t.Errorf("a response of trailers alone is %v", err)
	}
	half, err := client.NewStream(t.Context(), bothWays, "/t/Half")
	if err != nil {
		t.Fatal(err)
	}
	if err := half.RecvMsg(&got); err != nil || got != "half" {
		t.Errorf("first came %q, %v", got, err)
	}
	if err := half.RecvMsg(&got); status.Code(err) != codes.Aborted {
		t.Errorf("then came %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := client.Invoke(ctx, "/t/Late", &m, &got); err != nil || got != "true" {
		t.Errorf("that the deadline came is %q, %v", got, err)
	}
	ctx, leave := context.WithCancel(t.Context())
	hanging, err := client.NewStream(ctx, bothWays, "/t/Hang")
	if err != nil {
		t.Fatal(err)
	}
	if err := hanging.RecvMsg(&got); err != nil {
		t.Fatal(err)
	}
	leave()
	if err := within(t, ended, "the server learns that the client left"); err == nil {
		t.Error("the call was not ended")
	}
}
