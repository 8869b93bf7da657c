package machine

import (
	"os"
	"testing"
)

func TestTheLeastGroupCounts(t *testing.T) {
	for _, c := range []struct {
		name, own string
		files     map[string]string
		want      int64
	}{
		{"none", "", nil, 0},
		{"no number", "0::/a\n", map[string]string{"/sys/fs/cgroup/a/memory.max": "max\n"}, 0},
		{"own", "0::/a\n", map[string]string{"/sys/fs/cgroup/a/memory.max": "1000\n"}, 1000},
		{"above", "0::/a/b\n", map[string]string{"/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "2000\n"}, 2000},
		{"the least", "0::/a/b\n", map[string]string{"/sys/fs/cgroup/a/b/memory.max": "3000\n", "/sys/fs/cgroup/a/memory.max": "2000\n"}, 2000},
		{"a container's own root", "0::/\n", map[string]string{"/sys/fs/cgroup/memory.max": "4000\n"}, 4000},
		{"version 1", "5:cpu:/x\n4:memory:/a\n", map[string]string{"/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "5000\n"}, 5000},
		{"a path that leads out", "0::/../../x\n", map[string]string{"/sys/fs/cgroup/x/memory.max": "6000\n"}, 6000},
		{"rubbish", "0:\n:::\n", map[string]string{"/sys/fs/cgroup/memory.max": "-7"}, 0},
	} {
		read := func(name string) ([]byte, error) {
			if content, ok := c.files[name]; ok {
				return []byte(content), nil
			}
			return nil, os.ErrNotExist
		}
		if got := groupLimit([]byte(c.own), read); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
