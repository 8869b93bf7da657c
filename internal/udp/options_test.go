package udp

import (
	"net"
	"slices"
	"syscall"
	"testing"
)

func TestBufferSizes(t *testing.T) {
	each(t, func(t *testing.T, p path) {
		p.opt.ReadBuffer, p.opt.WriteBuffer = 100_000, 50_000
		i := p.listen(t, "udp4", "127.0.0.1:0").Info()
		want := [2]int{100_000, 50_000}
		if p.noUDP {
			want = [2]int{}
		}
		if got := [2]int{i.ReceiveBuffer, i.SendBuffer}; got != want {
			t.Errorf("granted %v, want %v", got, want)
		}
		if p.noUDP {
			return
		}
		p.opt.ReadBuffer, p.opt.WriteBuffer = -1, -1
		alone := p.listen(t, "udp4", "127.0.0.1:0").Info()
		p.opt.ReadBuffer, p.opt.WriteBuffer = 0, 0
		i = p.listen(t, "udp4", "127.0.0.1:0").Info()
		if i.ReceiveBuffer < alone.ReceiveBuffer || i.SendBuffer < alone.SendBuffer {
			t.Errorf("asking for the default made %d, %d of %d, %d",
				i.ReceiveBuffer, i.SendBuffer, alone.ReceiveBuffer, alone.SendBuffer)
		}
		t.Logf("default granted: %d, %d bytes", i.ReceiveBuffer, i.SendBuffer)
	})
}

func TestBufferToAsk(t *testing.T) {
	tests := []struct{ option, have, want int }{
		{0, 1000, DefaultBuffer},
		{0, DefaultBuffer, 0},
		{0, DefaultBuffer + 1, 0},
		{-1, 1000, 0},
		{5000, DefaultBuffer, 5000},
	}
	for _, tt := range tests {
		if got := bufferToAsk(tt.option, tt.have); got != tt.want {
			t.Errorf("bufferToAsk(%d, %d) = %d, want %d", tt.option, tt.have, got, tt.want)
		}
	}
}

func TestAskHalves(t *testing.T) {
	var asked []int
	ask(func(n int) error {
		asked = append(asked, n)
		if n > 1<<20 {
			return syscall.ENOBUFS
		}
		return nil
	}, 4<<20)
	if want := []int{4 << 20, 2 << 20, 1 << 20}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

func TestIsTemporary(t *testing.T) {
	for _, err := range []error{
		ErrWouldBlock, syscall.EAGAIN, syscall.ENOBUFS, syscall.ENETUNREACH, syscall.EHOSTUNREACH,
		syscall.ECONNREFUSED, syscall.EPERM, syscall.EMSGSIZE,
		&net.OpError{Op: "write", Err: syscall.ENOBUFS},
	} {
		if !IsTemporary(err) {
			t.Errorf("%v is not temporary", err)
		}
	}
	for _, err := range []error{nil, net.ErrClosed, syscall.EBADF, syscall.EINVAL, errMessage} {
		if IsTemporary(err) {
			t.Errorf("%v is temporary", err)
		}
	}
}
