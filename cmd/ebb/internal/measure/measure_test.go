package measure

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

var tcp = Network{
	Name: "tcp",
	Listen: func(ctx context.Context, address string) (net.Listener, error) {
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	},
	Dial: func(ctx context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	},
}

func TestSpread(t *testing.T) {
	tests := []struct {
		values []float64
		want   Spread
	}{
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{4, 1}, Spread{2.5, 1, 4}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
		{[]float64{5, 1, 3, 2}, Spread{2.5, 1, 5}},
	}
	for _, test := range tests {
		if got := spread(test.values); got != test.want {
			t.Errorf("spread(%v) = %v, want %v", test.values, got, test.want)
		}
	}
}

func TestPercentileIsNearestRank(t *testing.T) {
	var v []time.Duration
	for i := range 200 {
		v = append(v, time.Duration(i+1))
	}
	for p, want := range map[int]time.Duration{1: 2, 50: 100, 99: 198, 100: 200} {
		if got := percentile(v, p); got != want {
			t.Errorf("percentile %d is %d, want %d", p, got, want)
		}
	}
	if got := percentile(v[:1], 99); got != 1 {
		t.Errorf("of one value: %d", got)
	}
}

func TestRun(t *testing.T) {
	var turns []string
	named := func(name string) Network {
		n := tcp
		n.Name = name
		n.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			turns = append(turns, name)
			return tcp.Dial(ctx, address)
		}
		return n
	}
	results, err := Run(context.Background(), Plan{Rounds: 2, Slot: 10 * time.Millisecond}, []Network{named("a"), named("b")})
	if err != nil {
		t.Fatal(err)
	}
	// Two connections a turn; the warm-up, then a and b change places.
	if got := strings.Join(turns, ""); got != "aabb"+"aabb"+"bbaa" {
		t.Errorf("turns: %s", got)
	}
	for i, r := range results {
		if r.Transport != string("ab"[i]) {
			t.Errorf("result %d is of %s", i, r.Transport)
		}
		for _, s := range []Spread{r.Rate, r.CPU, r.PingP50, r.PingP99} {
			if !(0 < s.Min && s.Min <= s.Median && s.Median <= s.Max) {
				t.Errorf("%s: no sensible spread: %+v", r.Transport, s)
			}
		}
		if r.PingP50.Median > r.PingP99.Median {
			t.Errorf("%s: p50 %v is above p99 %v", r.Transport, r.PingP50, r.PingP99)
		}
	}
}

func TestBulkSize(t *testing.T) {
	for _, size := range []int64{1, bulkBuffer, 3*bulkBuffer + 1} {
		got, err := bulk(context.Background(), tcp, time.Nanosecond, size)
		if err != nil || got.bytes != size || got.elapsed <= 0 {
			t.Errorf("size %d: %+v, error %v", size, got, err)
		}
	}
}

func TestPlanIsChecked(t *testing.T) {
	for _, p := range []Plan{{}, {Rounds: 1}, {Slot: 1}, {Rounds: 1, Slot: 1, Size: -1}, {Rounds: -1, Slot: 1}} {
		if _, err := Run(context.Background(), p, []Network{tcp}); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}

func TestFailuresAreReported(t *testing.T) {
	refused := errors.New("refused")
	broken := tcp
	broken.Name = "broken"
	broken.Dial = func(context.Context, string) (net.Conn, error) { return nil, refused }
	_, err := Run(context.Background(), Plan{Rounds: 1, Slot: time.Millisecond}, []Network{tcp, broken})
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("Run returns %v", err)
	}
}

func TestCancelEndsARun(t *testing.T) {
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(context.Background())
	n := tcp
	n.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := tcp.Dial(ctx, address)
		cancel(stopped)
		return conn, err
	}
	if _, err := Run(ctx, Plan{Rounds: 1, Slot: time.Hour}, []Network{n}); !errors.Is(err, stopped) {
		t.Errorf("Run returns %v", err)
	}
}

// Bytes that get lost are a failure, not a fast transport.
func TestLostBytesAreNoticed(t *testing.T) {
	lossy := tcp
	lossy.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := tcp.Dial(ctx, address)
		return &lossyConn{conn.(*net.TCPConn)}, err
	}
	if _, err := bulk(context.Background(), lossy, time.Millisecond, 1000); err == nil || !strings.Contains(err.Error(), "999") {
		t.Errorf("bulk returns %v", err)
	}
}

// lossyConn loses the last byte of every write.
type lossyConn struct{ *net.TCPConn }

func (c *lossyConn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b[:len(b)-1])
	return n + 1, err
}
