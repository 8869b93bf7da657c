package main

import (
	"syscall"
	"testing"
)

// asNobody does nothing where there is no root.
func asNobody(*testing.T, string) *syscall.SysProcAttr { return nil }
