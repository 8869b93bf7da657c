package report

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is where the run was made.
type Machine struct {
	CPU        string `json:"cpu"`
	CPUs       int    `json:"cpus"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	Arch       string `json:"arch"`
	Revision   string `json:"revision,omitempty"` // of this tree, if git knows it
	ReceiveMax string `json:"net_core_rmem_max"`
	SendMax    string `json:"net_core_wmem_max"`
}

// ThisMachine is the one that runs this. What cannot be found out is empty.
func ThisMachine() Machine {
	m := Machine{
		CPU: cpuModel(), CPUs: runtime.NumCPU(), Go: runtime.Version(), Arch: runtime.GOARCH,
		ReceiveMax: readLine("/proc/sys/net/core/rmem_max"),
		SendMax:    readLine("/proc/sys/net/core/wmem_max"),
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	if out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		m.Revision = strings.TrimSpace(string(out))
	}
	return m
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d CPUs, %s, Linux %s, %s, revision %s, rmem_max %s, wmem_max %s.",
		m.CPU, m.CPUs, m.Arch, m.Kernel, m.Go, m.Revision, m.ReceiveMax, m.SendMax)
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func readLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
