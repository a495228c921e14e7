package journey

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	rpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// rpcThrough is a client of a proxy in front of the server at address.
func rpcThrough(t *testing.T, address string) rpc.TestServiceClient {
	t.Helper()
	h := openHouse(t, fmt.Sprintf("[upstreams.far]\ntargets = [{ url = \"h2c://%s\" }]\n\n[[routes]]\nname = \"all\"\nwhen = \"door = reverse\"\nto = \"far\"\n", address))
	return dialRPC(t, strings.TrimPrefix(h.proxy(), "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// TestRPCServersThatDie has callers learn at once that their server is gone, and that they may ask again.
func TestRPCServersThatDie(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name string
		send []*rpc.StreamingOutputCallRequest
	}{
		{"before an answer", nil},
		{"between answers", []*rpc.StreamingOutputCallRequest{{ResponseParameters: sizes(10)}}},
	} {
		t.Run(k.name, func(t *testing.T) {
			_, server, address := serveRPC(t, "127.0.0.1:0")
			client := rpcThrough(t, address)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
			defer cancel()
			call, err := client.FullDuplexCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range k.send {
				if err := call.Send(m); err != nil {
					t.Fatal(err)
				}
				if _, err := call.Recv(); err != nil {
					t.Fatal(err)
				}
			}
			if len(k.send) == 0 { // the call has reached it when another one is over
				if _, err := client.EmptyCall(ctx, &rpc.Empty{}); err != nil {
					t.Fatal(err)
				}
			}
			server.Stop()
			began := time.Now()
			if _, err := call.Recv(); status.Code(err) != codes.Unavailable || time.Since(began) > patience/2 {
				t.Errorf("after %s came %v", time.Since(began), err)
			}
		})
	}
}

// stalledServer takes no message of a stream.
type stalledServer struct{ *rpcServer }

func (s stalledServer) StreamingInputCall(in grpc.ClientStreamingServer[rpc.StreamingInputCallRequest, rpc.StreamingInputCallResponse]) error {
	<-in.Context().Done()
	return in.Context().Err()
}

// TestRPCUploadsThatNobodyTakes hold up nobody else on the same connection.
func TestRPCUploadsThatNobodyTakes(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	rpc.RegisterTestServiceServer(server, stalledServer{&rpcServer{}})
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	client := rpcThrough(t, l.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	for range 40 {
		call, err := client.StreamingInputCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for call.Send(&rpc.StreamingInputCallRequest{Payload: bodyOf(16 << 10)}) == nil {
			}
		}()
	}
	time.Sleep(time.Second)
	for range 3 {
		got, err := client.UnaryCall(ctx, &rpc.SimpleRequest{Payload: bodyOf(1 << 20)})
		if err != nil || len(got.GetPayload().GetBody()) != 1<<20 {
			t.Fatal(err)
		}
	}
}
