//go:build !darwin && !freebsd && !linux

package udp

// controlSpace is 0: control messages are not used on this system.
const controlSpace = 0

func (s *Socket) parseControl(*Message, []byte) (stamp int64) { return 0 }

func (s *Socket) appendControl(b []byte, _ *Message) []byte { return b }

// truncated is unknown here, or an error of the read itself.
func truncated(int) bool { return false }
