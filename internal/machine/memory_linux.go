package machine

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// physical is the physical memory in bytes, 0 if it is not known.
func physical() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return int64(uint64(info.Totalram) * uint64(info.Unit))
}

// group is the least memory.max of the process's control group and of those above it (version 2), or memory.limit_in_bytes
// (version 1), 0 if there is none.
func group() int64 {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	return groupLimit(own, os.ReadFile)
}

// maxGroups bounds how far up is looked.
const maxGroups = 32

// groupLimit is group for the content of /proc/self/cgroup.
func groupLimit(own []byte, read func(string) ([]byte, error)) (least int64) {
	for line := range bytes.Lines(own) {
		parts := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(parts) < 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		switch {
		case parts[0] == "0" && parts[1] == "":
		case parts[1] == "memory":
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		dir := path.Clean("/" + parts[2])
		for range maxGroups {
			if n := number(read, path.Join(root, dir, file)); n > 0 && (least == 0 || n < least) {
				least = n
			}
			if dir == "/" {
				break
			}
			dir = path.Dir(dir)
		}
	}
	return least
}

// number is what a file holds, 0 if that is no number.
func number(read func(string) ([]byte, error), name string) int64 {
	content, err := read(name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
