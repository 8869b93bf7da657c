package kernel

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms100 = 100 * time.Millisecond

const series1 = `t_s,flow,mbit_per_s,queue_ms,drops
0.6,a>b tcp 40000>5001,8.000,10.00,0
0.6,b>a tcp 5001>40000,0.200,0.00,0
0.7,a>b tcp 40000>5001,4.000,30.00,2
0.7,a>b udp 41000>7001,4.000,20.00,0
0.8,a>b tcp 40000>5001,0.000,NaN,0
0.8,a>b udp 41000>7001,6.000,40.00,1
0.8,a>b udp 41001>7001,2.000,20.00,1
0.8,a>b icmp,0.100,0.00,0
`

func TestReadTrace(t *testing.T) {
	got, err := readTrace(strings.NewReader(series1))
	if err != nil {
		t.Fatal(err)
	}
	const kb = 1000.0
	want := trace{
		5001: {
			{6 * ms100, 100 * kb, 10 * time.Millisecond, 0},
			{7 * ms100, 50 * kb, 30 * time.Millisecond, 2},
			{8 * ms100, 0, -1, 0},
		},
		// Two flows to one port are one: the wait is the mean over the bytes.
		7001: {
			{7 * ms100, 50 * kb, 20 * time.Millisecond, 0},
			{8 * ms100, 100 * kb, 35 * time.Millisecond, 2},
		},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
}

func TestReadTraceRefusesWhatItDoesNotKnow(t *testing.T) {
	const heading = "t_s,flow,mbit_per_s,queue_ms,drops\n"
	for _, line := range []string{
		"0.6,a>b tcp 40000>5001,8.000,10.00", "x,a>b tcp 1>2,8,1,0", "0.6,a>b tcp 1>2,x,1,0",
		"0.6,a>b tcp 1>2,8,x,0", "0.6,a>b tcp 1>2,8,1,x", "0.6,a>b tcp 1>x,8,1,0",
	} {
		if _, err := readTrace(strings.NewReader(heading + line + "\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: error %v, want one that names line 2", line, err)
		}
	}
}

func TestSeries(t *testing.T) {
	tr, err := readTrace(strings.NewReader(series1))
	if err != nil {
		t.Fatal(err)
	}
	tcp, all := tr[5001], tr.sum()
	if got := tcp.start(); got != 5*ms100 {
		t.Errorf("start %v, want 500ms", got)
	}
	in := span{5 * ms100, 8 * ms100}
	if got := tcp.rate(in); got != 500_000 {
		t.Errorf("rate %v, want 150 KB in 300 ms", got)
	}
	if got := all.rate(in); got != 1_000_000 {
		t.Errorf("rate of all %v, want 300 KB in 300 ms", got)
	}
	if got := tcp.rate(span{6 * ms100, 7 * ms100}); got != 500_000 {
		t.Errorf("rate of the second interval %v, want 50 KB in 100 ms", got)
	}
	if got := all.drops(in); got != 4 {
		t.Errorf("%d drops, want 4", got)
	}
	want := []time.Duration{10 * time.Millisecond, 25 * time.Millisecond, 35 * time.Millisecond}
	if diff := cmp.Diff(want, all.queues(in)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if got, ok := all.reaches(in, ms100, 1_000_000); got != ms100 || !ok {
		t.Errorf("1 MB/s after %v, %v, want the first interval", got, ok)
	}
	if got, ok := tr[7001].reaches(in, ms100, 1_000_000); got != 3*ms100 || !ok {
		t.Errorf("1 MB/s after %v, %v, want the last interval", got, ok)
	}
	if _, ok := tcp.reaches(in, 2*ms100, 900_000); ok {
		t.Error("0.9 MB/s over 200 ms, where there was 0.75 at most")
	}
	if _, ok := tcp.reaches(span{6 * ms100, 8 * ms100}, ms100, 1_000_000); ok {
		t.Error("1 MB/s outside the span")
	}
}

func TestQuantile(t *testing.T) {
	var v []time.Duration
	if got := quantile(v, 0.5); got != 0 {
		t.Errorf("median of nothing: %v", got)
	}
	for i := range 100 {
		v = append(v, time.Duration(i))
	}
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 50, 0.95: 95, 1: 99} {
		if got := quantile(v, q); got != want {
			t.Errorf("quantile %v: %d, want %d", q, got, want)
		}
	}
}

func TestJain(t *testing.T) {
	for _, c := range []struct {
		rates []float64
		want  float64
	}{{[]float64{3, 3}, 1}, {[]float64{1, 0, 0, 0}, 0.25}, {[]float64{1, 3}, 0.8}, {nil, 0}} {
		if got := jain(c.rates); got != c.want {
			t.Errorf("Jain's index of %v: %v, want %v", c.rates, got, c.want)
		}
	}
}
