package differential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// classes are what programs compare errors with.
var classes = []struct {
	name string
	is   error
}{
	{"EOF", io.EOF}, {"ErrClosed", net.ErrClosed}, {"ErrDeadlineExceeded", os.ErrDeadlineExceeded}, {"Canceled", context.Canceled},
	{"ECONNREFUSED", syscall.ECONNREFUSED}, {"ECONNRESET", syscall.ECONNRESET}, {"ECONNABORTED", syscall.ECONNABORTED}, {"EPIPE", syscall.EPIPE},
	{"EADDRINUSE", syscall.EADDRINUSE}, {"ETIMEDOUT", syscall.ETIMEDOUT}, {"ENOTCONN", syscall.ENOTCONN}, {"EINVAL", syscall.EINVAL},
}

// class is an error as programs look at it: its types, the values that it matches, and whether it is a timeout. "" is nil.
func class(err error) string {
	if err == nil {
		return ""
	}
	var words []string
	if op, ok := errors.AsType[*net.OpError](err); ok {
		words = append(words, fmt.Sprintf("%s %s:", op.Op, op.Net))
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		words = append(words, sys.Syscall+":")
	}
	for _, c := range classes {
		if errors.Is(err, c.is) {
			words = append(words, c.name)
		}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		words = append(words, "timeout")
	}
	if len(words) == 0 {
		return "an error without a class: " + err.Error()
	}
	return strings.Join(words, " ")
}

// Result is what a call has returned.
type Result struct {
	N    int    // of Read and Write
	Err  string // its class; "" is none
	Note string // which connection was accepted, what an address looks like, that bytes were not those that were written, or that the call waits
}

// Is reports whether the error is of one of the names in classes.
func (r Result) Is(name string) bool {
	for word := range strings.FieldsSeq(r.Err) {
		if word == name {
			return true
		}
	}
	return false
}

// String is the result in words.
func (r Result) String() string {
	s := fmt.Sprint(r.N)
	if r.Note != "" {
		s += ", " + r.Note
	}
	if r.Err != "" {
		s += ", " + r.Err
	}
	return s
}

// Outcome is the result of each call of a program, in the order of its text.
type Outcome []Result

// key is the outcome as a key of maps.
func (o Outcome) key() string { return fmt.Sprintf("%q", []Result(o)) }
