package journey

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	rpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// rpcServer is the service of gRPC's interop tests.
type rpcServer struct {
	rpc.UnimplementedTestServiceServer
	ended chan error // why the context of a call that waits ended
}

func (*rpcServer) EmptyCall(context.Context, *rpc.Empty) (*rpc.Empty, error) {
	return &rpc.Empty{}, nil
}

// UnaryCall sends back what its caller sent in "echo-…", as a header and as a trailer.
func (s *rpcServer) UnaryCall(ctx context.Context, in *rpc.SimpleRequest) (*rpc.SimpleResponse, error) {
	header, trailer := metadata.MD{}, metadata.MD{}
	given, _ := metadata.FromIncomingContext(ctx)
	for name, values := range given {
		if strings.HasPrefix(name, "echo-") {
			header["header-"+name], trailer["trailer-"+name] = values, values
		}
	}
	if err := errors.Join(grpc.SetHeader(ctx, header), grpc.SetTrailer(ctx, trailer)); err != nil {
		return nil, err
	}
	switch by, limited := ctx.Deadline(); {
	case in.GetFillUsername(): // wait until the caller has enough
		<-ctx.Done()
		s.ended <- ctx.Err()
		return nil, ctx.Err()
	case in.GetFillOauthScope():
		return &rpc.SimpleResponse{Username: fmt.Sprint(limited), OauthScope: time.Until(by).String()}, nil
	}
	if want := in.GetResponseStatus(); want.GetCode() != 0 {
		failed, err := status.New(codes.Code(want.GetCode()), want.GetMessage()).WithDetails(want)
		if err != nil {
			return nil, err
		}
		return nil, failed.Err()
	}
	size := int(in.GetResponseSize())
	if size == 0 {
		return &rpc.SimpleResponse{Payload: in.GetPayload()}, nil
	}
	return &rpc.SimpleResponse{Payload: &rpc.Payload{Body: pattern(size)}}, nil
}

func (s *rpcServer) StreamingOutputCall(in *rpc.StreamingOutputCallRequest, out grpc.ServerStreamingServer[rpc.StreamingOutputCallResponse]) error {
	for _, p := range in.GetResponseParameters() {
		if err := out.Send(&rpc.StreamingOutputCallResponse{Payload: &rpc.Payload{Body: pattern(int(p.GetSize()))}}); err != nil {
			return err
		}
	}
	if want := in.GetResponseStatus(); want.GetCode() != 0 {
		return status.Error(codes.Code(want.GetCode()), want.GetMessage())
	}
	return nil
}

func (s *rpcServer) StreamingInputCall(in grpc.ClientStreamingServer[rpc.StreamingInputCallRequest, rpc.StreamingInputCallResponse]) error {
	var total int32
	for {
		m, err := in.Recv()
		if err == io.EOF {
			return in.SendAndClose(&rpc.StreamingInputCallResponse{AggregatedPayloadSize: total})
		}
		if err != nil {
			return err
		}
		total += int32(len(m.GetPayload().GetBody()))
	}
}

// FullDuplexCall answers each message at once.
func (s *rpcServer) FullDuplexCall(both grpc.BidiStreamingServer[rpc.StreamingOutputCallRequest, rpc.StreamingOutputCallResponse]) error {
	for {
		m, err := both.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			s.ended <- both.Context().Err()
			return err
		}
		if want := m.GetResponseStatus(); want.GetCode() != 0 {
			return status.Error(codes.Code(want.GetCode()), want.GetMessage())
		}
		for _, p := range m.GetResponseParameters() {
			body := m.GetPayload().GetBody()
			if p.GetSize() > 0 {
				body = pattern(int(p.GetSize()))
			}
			if err := both.Send(&rpc.StreamingOutputCallResponse{Payload: &rpc.Payload{Body: body}}); err != nil {
				return err
			}
		}
	}
}

const largest = 16 << 20

func serveRPC(t *testing.T, address string, more ...grpc.ServerOption) (*rpcServer, *grpc.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &rpcServer{ended: make(chan error, 256)}
	g := grpc.NewServer(append(more, grpc.MaxRecvMsgSize(largest), grpc.MaxSendMsgSize(largest))...)
	rpc.RegisterTestServiceServer(g, s)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	return s, g, l.Addr().String()
}

func dialRPC(t *testing.T, address string, more ...grpc.DialOption) rpc.TestServiceClient {
	t.Helper()
	more = append(more, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largest), grpc.MaxCallSendMsgSize(largest)), grpc.WithNoProxy())
	c, err := grpc.NewClient("passthrough:///"+address, more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return rpc.NewTestServiceClient(c)
}

// rpcPath is a way from a client to a server.
type rpcPath struct {
	name   string
	client rpc.TestServiceClient
	server *rpcServer
}

func rpcPaths(t *testing.T) []rpcPath {
	t.Helper()
	certificate, ca := certificateOf(t)
	server, _, address := serveRPC(t, "127.0.0.1:0", grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	h := openHouse(t, fmt.Sprintf("[forward]\nca = %q\n\n[upstreams.far]\ntargets = [{ url = \"https://%s\" }]\nca = %q\n\n[[routes]]\nname = \"all\"\nwhen = \"door = reverse\"\nto = \"far\"\n", ca, address, ca))
	port := strings.TrimPrefix(h.proxy(), "http://")
	local := credentials.NewTLS(&tls.Config{RootCAs: h.roots(), ServerName: "localhost"})
	through := grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return dialThrough(t, h.proxy(), address).Conn, nil })
	near := credentials.NewTLS(&tls.Config{RootCAs: h.roots(), ServerName: "127.0.0.1"})

	clearServer, _, clearAddress := serveRPC(t, "127.0.0.1:0")
	inClear := openHouse(t, fmt.Sprintf("[upstreams.far]\ntargets = [{ url = \"h2c://%s\" }]\n\n[[routes]]\nname = \"all\"\nwhen = \"door = reverse\"\nto = \"far\"\n", clearAddress))
	return []rpcPath{
		{"TLS, then TLS", dialRPC(t, port, grpc.WithTransportCredentials(local)), server},
		{"intercepted", dialRPC(t, port, grpc.WithTransportCredentials(near), through), server},
		{"in the clear", dialRPC(t, strings.TrimPrefix(inClear.proxy(), "http://"), grpc.WithTransportCredentials(insecure.NewCredentials())), clearServer},
	}
}

func sizes(n ...int32) (out []*rpc.ResponseParameters) {
	for _, size := range n {
		out = append(out, &rpc.ResponseParameters{Size: size})
	}
	return out
}

func bodyOf(n int) *rpc.Payload { return &rpc.Payload{Body: pattern(n)} }

// rpcCases are gRPC's interop test cases and more.
var rpcCases = []struct {
	name string
	run  func(ctx context.Context, t *testing.T, p rpcPath)
}{
	{"empty unary", func(ctx context.Context, t *testing.T, p rpcPath) {
		if _, err := p.client.EmptyCall(ctx, &rpc.Empty{}); err != nil {
			t.Error(err)
		}
	}},
	{"unary of all sizes", func(ctx context.Context, t *testing.T, p rpcPath) {
		for _, n := range []int{1, 100, 16_379, 16_384, 65_535, 65_536, 271_828, 4 << 20} {
			got, err := p.client.UnaryCall(ctx, &rpc.SimpleRequest{Payload: bodyOf(n)})
			if err != nil || !bytes.Equal(got.GetPayload().GetBody(), pattern(n)) {
				t.Errorf("%d bytes came back as %d, %v", n, len(got.GetPayload().GetBody()), err)
			}
		}
	}},
	{"a large answer to a small question", func(ctx context.Context, t *testing.T, p rpcPath) {
		got, err := p.client.UnaryCall(ctx, &rpc.SimpleRequest{ResponseSize: 4 << 20})
		if err != nil || len(got.GetPayload().GetBody()) != 4<<20 {
			t.Error(err)
		}
	}},
	{"server streaming", func(ctx context.Context, t *testing.T, p rpcPath) {
		want := []int32{31_415, 9, 2_653, 58_979, 0, 1 << 20, 1}
		s, err := p.client.StreamingOutputCall(ctx, &rpc.StreamingOutputCallRequest{ResponseParameters: sizes(want...)})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range want {
			m, err := s.Recv()
			if err != nil || !bytes.Equal(m.GetPayload().GetBody(), pattern(int(n))) {
				t.Fatalf("%d bytes came as %d, %v", n, len(m.GetPayload().GetBody()), err)
			}
		}
		if _, err := s.Recv(); err != io.EOF {
			t.Error(err)
		}
	}},
	{"client streaming", func(ctx context.Context, t *testing.T, p rpcPath) {
		s, err := p.client.StreamingInputCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{27_182, 8, 1_828, 45_904, 0} {
			if err := s.Send(&rpc.StreamingInputCallRequest{Payload: bodyOf(n)}); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.CloseAndRecv(); err != nil || got.GetAggregatedPayloadSize() != 74_922 {
			t.Error(got, err)
		}
	}},
	{"a stream without a message", func(ctx context.Context, t *testing.T, p rpcPath) {
		s, err := p.client.FullDuplexCall(ctx)
		if err == nil {
			err = s.CloseSend()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != io.EOF {
			t.Error(err)
		}
	}},
	{"a thousand times to and fro", func(ctx context.Context, t *testing.T, p rpcPath) {
		s, err := p.client.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			question := fmt.Sprint("message ", i)
			if err := s.Send(&rpc.StreamingOutputCallRequest{ResponseParameters: sizes(0), Payload: &rpc.Payload{Body: []byte(question)}}); err != nil {
				t.Fatal(err)
			}
			if m, err := s.Recv(); err != nil || string(m.GetPayload().GetBody()) != question {
				t.Fatal(i, m, err)
			}
		}
	}},
	{"both stream at once", func(ctx context.Context, t *testing.T, p rpcPath) {
		s, err := p.client.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		go func() {
			for range 300 {
				if err := s.Send(&rpc.StreamingOutputCallRequest{ResponseParameters: sizes(10_000, 0), Payload: bodyOf(5_000)}); err != nil {
					sent <- err
					return
				}
			}
			sent <- s.CloseSend()
		}()
		for i := range 600 {
			m, err := s.Recv()
			if want := []int{10_000, 5_000}[i%2]; err != nil || len(m.GetPayload().GetBody()) != want {
				t.Fatalf("message %d has %d bytes, %v", i, len(m.GetPayload().GetBody()), err)
			}
		}
		if _, err := s.Recv(); err != io.EOF {
			t.Error(err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}},
	{"metadata", func(ctx context.Context, t *testing.T, p rpcPath) {
		sent := metadata.MD{
			"echo-text": {"a", "b", "a, b", "c=d; e"}, "echo-empty": {""}, "echo-bytes-bin": {"\x00\x01\xff", "", "text"}, "echo-long": {strings.Repeat("x", 8000)}, "echo-odd_name.1": {"~!@#$%^&*()"},
		}
		var header, trailer metadata.MD
		if _, err := p.client.UnaryCall(metadata.NewOutgoingContext(ctx, sent), &rpc.SimpleRequest{Payload: bodyOf(1)}, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		for name, values := range sent {
			if got := header["header-"+name]; !slices.Equal(got, values) {
				t.Errorf("the header %s is %q, want %q", name, got, values)
			}
			if got := trailer["trailer-"+name]; !slices.Equal(got, values) {
				t.Errorf("the trailer %s is %q, want %q", name, got, values)
			}
		}
	}},
	{"every status with its message and details", func(ctx context.Context, t *testing.T, p rpcPath) {
		const message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n 100%"
		for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
			_, err := p.client.UnaryCall(ctx, &rpc.SimpleRequest{ResponseStatus: &rpc.EchoStatus{Code: int32(code), Message: message}})
			got := status.Convert(err)
			if got.Code() != code || got.Message() != message || len(got.Details()) != 1 {
				t.Errorf("%v came as %v", code, got)
			} else if detail, ok := got.Details()[0].(*rpc.EchoStatus); !ok || detail.GetMessage() != message {
				t.Errorf("%v has the detail %v", code, got.Details()[0])
			}
		}
	}},
	{"a status after messages", func(ctx context.Context, t *testing.T, p rpcPath) {
		s, err := p.client.StreamingOutputCall(ctx, &rpc.StreamingOutputCallRequest{ResponseParameters: sizes(5, 70_000), ResponseStatus: &rpc.EchoStatus{Code: int32(codes.Aborted), Message: "enough"}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Recv(); status.Code(err) != codes.Aborted || status.Convert(err).Message() != "enough" {
			t.Error(err)
		}
	}},
	{"a status while the client still sends", func(ctx context.Context, t *testing.T, p rpcPath) {
		s, err := p.client.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(&rpc.StreamingOutputCallRequest{ResponseStatus: &rpc.EchoStatus{Code: int32(codes.ResourceExhausted), Message: "no more"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); status.Code(err) != codes.ResourceExhausted {
			t.Error(err)
		}
	}},
	{"a method that is not there (trailers alone)", func(ctx context.Context, t *testing.T, p rpcPath) {
		if _, err := p.client.UnimplementedCall(ctx, &rpc.Empty{}); status.Code(err) != codes.Unimplemented {
			t.Error(err)
		}
	}},
	{"the deadline goes along", func(ctx context.Context, t *testing.T, p rpcPath) {
		ctx, cancel := context.WithTimeout(ctx, 77*time.Second)
		defer cancel()
		got, err := p.client.UnaryCall(ctx, &rpc.SimpleRequest{FillOauthScope: true})
		left, _ := time.ParseDuration(got.GetOauthScope())
		if err != nil || got.GetUsername() != "true" || left < 30*time.Second || left > 77*time.Second {
			t.Error(got, err)
		}
	}},
	{"the deadline passes", func(ctx context.Context, t *testing.T, p rpcPath) {
		var err error
		for range 3 { // the server has the same deadline, and may be first to give up
			ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			_, err = p.client.UnaryCall(ctx, &rpc.SimpleRequest{FillUsername: true})
			cancel()
			p.wantEnded(t)
			if status.Code(err) == codes.DeadlineExceeded {
				return
			}
		}
		t.Error(err)
	}},
	{"the client cancels", func(ctx context.Context, t *testing.T, p rpcPath) {
		ctx, cancel := context.WithCancel(ctx)
		s, err := p.client.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(&rpc.StreamingOutputCallRequest{ResponseParameters: sizes(31_415)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := s.Recv(); status.Code(err) != codes.Canceled {
			t.Error(err)
		}
		p.wantEnded(t)
	}},
	{"gzip", func(ctx context.Context, t *testing.T, p rpcPath) {
		for _, n := range []int{0, 1, 70_000} {
			payload := bytes.Repeat([]byte("abc"), n)
			got, err := p.client.UnaryCall(ctx, &rpc.SimpleRequest{Payload: &rpc.Payload{Body: payload}}, grpc.UseCompressor(gzip.Name))
			if err != nil || !bytes.Equal(got.GetPayload().GetBody(), payload) {
				t.Error(n, err)
			}
		}
	}},
	{"a hundred at once", func(ctx context.Context, t *testing.T, p rpcPath) {
		var all sync.WaitGroup
		failed := make(chan error, 100)
		together := make(chan struct{})
		for i := range 100 {
			all.Go(func() {
				s, err := p.client.FullDuplexCall(ctx)
				if err == nil {
					<-together
				}
				for k := 0; k < 10 && err == nil; k++ {
					question := fmt.Sprint(i, " ", k)
					var m *rpc.StreamingOutputCallResponse
					if err = s.Send(&rpc.StreamingOutputCallRequest{ResponseParameters: sizes(0), Payload: &rpc.Payload{Body: []byte(question)}}); err == nil {
						m, err = s.Recv()
					}
					if got := string(m.GetPayload().GetBody()); err == nil && got != question {
						err = fmt.Errorf("%q came back as %q", question, got)
					}
				}
				if err != nil {
					failed <- err
					return
				}
				_ = s.CloseSend()
				if _, err := s.Recv(); err != io.EOF {
					failed <- err
				}
			})
		}
		close(together)
		all.Wait()
		close(failed)
		for err := range failed {
			t.Error(err)
		}
	}},
}

// wantEnded waits until the server learned that its caller has gone.
func (p rpcPath) wantEnded(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.server.ended:
		if err == nil {
			t.Error("the server's context did not end")
		}
	case <-time.After(patience):
		t.Error("the server never learned of it")
	}
}

func TestRPC(t *testing.T) {
	t.Parallel()
	for _, p := range rpcPaths(t) {
		t.Run(p.name, func(t *testing.T) {
			for _, k := range rpcCases {
				t.Run(k.name, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
					defer cancel()
					k.run(ctx, t, p)
				})
			}
		})
	}
}

func TestRPCServersThatComeAndGo(t *testing.T) {
	t.Parallel()
	_, first, address := serveRPC(t, "127.0.0.1:0")
	h := openHouse(t, fmt.Sprintf("[upstreams.far]\ntargets = [{ url = \"h2c://%s\" }]\n\n[[routes]]\nname = \"all\"\nwhen = \"door = reverse\"\nto = \"far\"\n", address))
	client := dialRPC(t, strings.TrimPrefix(h.proxy(), "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	call := func() error {
		_, err := client.EmptyCall(t.Context(), &rpc.Empty{})
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	first.GracefulStop()
	if err := call(); status.Code(err) != codes.Unavailable { // 502 and 503 mean that to gRPC
		t.Errorf("without a server: %v", err)
	}
	_, second, _ := serveRPC(t, address, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 30 * time.Millisecond, MaxConnectionAgeGrace: time.Second}))
	defer second.Stop()
	h.eventually("the server is back", func() bool { return call() == nil })
	for end := time.Now().Add(400 * time.Millisecond); time.Now().Before(end); { // some ten GOAWAYs
		if err := call(); err != nil {
			t.Fatalf("a call failed because its server sent GOAWAY: %v", err)
		}
	}
}
