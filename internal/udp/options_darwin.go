package udp

import "golang.org/x/sys/unix"

const receiveInfo4 = unix.IP_RECVPKTINFO
