package suites

import (
	"context"
	"fmt"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"example.com/ebb"
	"example.com/ebb/internal/lab/lossy"
)

// failed is what a case of gRPC's says instead of ending the process.
type failed string

// verdict is gRPC's log: what a case calls fatal ends that case.
type verdict struct{ grpclog.LoggerV2 }

func (verdict) Info(...any)             {}
func (verdict) Infoln(...any)           {}
func (verdict) Infof(string, ...any)    {}
func (verdict) Warning(...any)          {}
func (verdict) Warningln(...any)        {}
func (verdict) Warningf(string, ...any) {}
func (verdict) Error(...any)            {}
func (verdict) Errorln(...any)          {}
func (verdict) Errorf(string, ...any)   {}
func (verdict) V(int) bool              { return false }

func (verdict) Fatal(args ...any)                 { panic(failed(fmt.Sprint(args...))) }
func (verdict) Fatalln(args ...any)               { panic(failed(fmt.Sprintln(args...))) }
func (verdict) Fatalf(format string, args ...any) { panic(failed(fmt.Sprintf(format, args...))) }

// clientCases are the cases that gRPC's implementations show each other, but for those that need accounts of a cloud or its servers.
var clientCases = map[string]func(context.Context, *grpc.ClientConn){
	"empty_unary":                 plainly(interop.DoEmptyUnaryCall),
	"large_unary":                 plainly(interop.DoLargeUnaryCall),
	"client_streaming":            plainly(interop.DoClientStreaming),
	"server_streaming":            plainly(interop.DoServerStreaming),
	"ping_pong":                   plainly(interop.DoPingPong),
	"empty_stream":                plainly(interop.DoEmptyStream),
	"timeout_on_sleeping_server":  plainly(interop.DoTimeoutOnSleepingServer),
	"cancel_after_begin":          plainly(interop.DoCancelAfterBegin),
	"cancel_after_first_response": plainly(interop.DoCancelAfterFirstResponse),
	"status_code_and_message":     plainly(interop.DoStatusCodeAndMessage),
	"special_status_message":      plainly(interop.DoSpecialStatusMessage),
	"custom_metadata":             plainly(interop.DoCustomMetadata),
	"unimplemented_method":        interop.DoUnimplementedMethod,
	"unimplemented_service": func(ctx context.Context, cc *grpc.ClientConn) {
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(cc))
	},
}

func plainly(f func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption)) func(context.Context, *grpc.ClientConn) {
	return func(ctx context.Context, cc *grpc.ClientConn) { f(ctx, testgrpc.NewTestServiceClient(cc)) }
}

// TestGRPC: gRPC's cases against its test server, without TLS, with gRPC's own over Ebb, and with Ebb's below gRPC.
func TestGRPC(t *testing.T) {
	grpclog.SetLoggerV2(verdict{})
	clientTLS, serverTLS := certified(t)
	clientTLS.NextProtos, serverTLS.NextProtos = []string{"h2"}, []string{"h2"}
	for _, tt := range []struct {
		name           string
		client, server credentials.TransportCredentials
		dials, listens *ebb.Config
	}{
		{"plain", insecure.NewCredentials(), insecure.NewCredentials(), nil, nil},
		{"TLS", credentials.NewTLS(clientTLS), credentials.NewTLS(serverTLS), nil, nil},
		{"protected", insecure.NewCredentials(), insecure.NewCredentials(), &ebb.Config{TLS: clientTLS}, &ebb.Config{TLS: serverTLS}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := over(t, tt.listens)
			r := serveRemote(t, n, n.Dialer(tt.dials), tt.client, tt.server)
			cc := r.dial(t)
			t.Cleanup(func() { cc.Close() })
			for name, run := range clientCases {
				t.Run(name, func(t *testing.T) {
					defer fails(t)
					run(within(t), cc)
				})
			}
			t.Run("rpc_soak", func(t *testing.T) {
				defer fails(t)
				interop.DoSoakTest(within(t), soak(func() (*grpc.ClientConn, func()) { return cc, func() {} }))
			})
			t.Run("channel_soak", func(t *testing.T) {
				defer fails(t)
				interop.DoSoakTest(within(t), soak(func() (*grpc.ClientConn, func()) {
					own := r.dial(t)
					return own, func() { own.Close() }
				}))
			})
		})
	}
}

// fails is deferred: it has the test fail with what a case has called fatal.
func fails(t *testing.T) {
	switch why := recover().(type) {
	case nil:
	case failed:
		t.Error(string(why))
	default:
		panic(why)
	}
}

// soak is large calls by many at once.
func soak(channel func() (*grpc.ClientConn, func())) interop.SoakTestConfig {
	return interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159,
		PerIterationMaxAcceptableLatency: patience, OverallTimeout: patience,
		NumWorkers: 4, Iterations: size(8, 80), ChannelForTest: channel,
	}
}

// remote is gRPC's test server, and how it is reached.
type remote struct {
	address string
	dialer  *ebb.Dialer
	creds   credentials.TransportCredentials
}

func (r *remote) dial(t *testing.T) *grpc.ClientConn {
	cc, err := grpc.NewClient("passthrough:///"+r.address, grpc.WithTransportCredentials(r.creds),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return r.dialer.DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		t.Error(err)
		panic(failed("no channel"))
	}
	return cc
}

func serveRemote(t *testing.T, n *lossy.Network, d *ebb.Dialer, client, server credentials.TransportCredentials) *remote {
	t.Helper()
	l := n.Listen()
	s := grpc.NewServer(grpc.Creds(server))
	testgrpc.RegisterTestServiceServer(s, interop.NewTestServer())
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.GracefulStop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &remote{l.Addr().String(), d, client}
}
