//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
)

// nobody is the user that PostgreSQL runs as where the test is root, whom it refuses.
const nobody = 65534

// asNobody has a process run as somebody who is not root, and gives them a directory.
func asNobody(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}
