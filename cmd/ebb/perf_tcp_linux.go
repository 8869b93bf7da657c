package main

import (
	"net"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ebb/cmd/ebb/internal/perf"
)

// lookAtTCP has the kernel's own figures of a connection (TCP_INFO), as iperf3 has them. Packets are segments.
func lookAtTCP(conn net.Conn) (perf.Sample, bool) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return perf.Sample{}, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return perf.Sample{}, false
	}
	var info *unix.TCPInfo
	if raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }) != nil || err != nil {
		return perf.Sample{}, false
	}
	rtt := time.Duration(info.Rtt) * time.Microsecond
	return perf.Sample{
		Packets: uint64(info.Data_segs_out), PacketBytes: info.Bytes_sent,
		Lost: uint64(info.Total_retrans), Retransmitted: info.Bytes_retrans,
		Window: int(info.Snd_cwnd) * int(info.Snd_mss),
		RTT:    rtt, RTTVariance: time.Duration(info.Rttvar) * time.Microsecond,
		Queue: max(rtt-time.Duration(info.Min_rtt)*time.Microsecond, 0),
	}, true
}
