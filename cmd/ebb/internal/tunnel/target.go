package tunnel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"example.com/ebb/internal/untrusted"
)

// A dialling side that chooses where its connection goes begins it with
//
//	target = "ebbt" version(1) length(1) HOST:PORT
//
// and waits for the answer, a byte and a text:
//
//	answer = code(1) length(1) text
//
// Code 0 says that the connection stands: what follows is its bytes. With any other the accepting side
// ends it; the text says why.
const (
	magic     = "ebbt"
	version   = 1
	maxTarget = 255
)

// Code is how an attempt to reach a target ended.
type Code uint8

// The codes of an answer.
const (
	CodeOK          Code = 0
	CodeForbidden   Code = 1 // the accepting side does not forward there
	CodeUnreachable Code = 2 // it could not connect
)

// TargetError is an answer that says no.
type TargetError struct {
	Target untrusted.Text // as the client of the tunnel named it
	Code   Code
	Text   untrusted.Text // at most 255 bytes
}

// Error says what the accepting side has answered.
func (e *TargetError) Error() string {
	return fmt.Sprintf("the other side does not reach %v: %v", e.Target, e.Text)
}

// Ask names a target and waits at most for the given time until the accepting side stands connected to it.
func Ask(conn net.Conn, target string, patience time.Duration) error {
	if len(target) > maxTarget {
		return fmt.Errorf("a target of %d bytes, at most %d are allowed", len(target), maxTarget)
	}
	conn.SetDeadline(time.Now().Add(patience))
	defer conn.SetDeadline(time.Time{})
	if _, err := conn.Write(append([]byte{magic[0], magic[1], magic[2], magic[3], version, byte(len(target))}, target...)); err != nil {
		return err
	}
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return fmt.Errorf("the other side gives no answer: does it forward to any target? %w", err)
	}
	text := make([]byte, head[1])
	if _, err := io.ReadFull(conn, text); err != nil {
		return err
	}
	if code := Code(head[0]); code != CodeOK {
		return &TargetError{untrusted.Text(target), code, untrusted.Text(text)}
	}
	return nil
}

var errNoTarget = errors.New("it names no target: does the other side have --socks?")

// ReadTarget reads what Ask has written, and waits at most for the given time.
func ReadTarget(conn net.Conn, patience time.Duration) (string, error) {
	conn.SetDeadline(time.Now().Add(patience))
	defer conn.SetDeadline(time.Time{})
	var head [len(magic) + 2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return "", fmt.Errorf("%w (%w)", errNoTarget, err)
	}
	if string(head[:len(magic)]) != magic || head[len(magic)] != version {
		return "", errNoTarget
	}
	target := make([]byte, head[len(magic)+1])
	if _, err := io.ReadFull(conn, target); err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(string(target))
	if err != nil || host == "" || port == "" {
		return "", fmt.Errorf("the target %q is not HOST:PORT", untrusted.Text(target))
	}
	return string(target), nil
}

// Answer tells the dialling side how the attempt to reach its target ended.
func Answer(conn net.Conn, code Code, text string) error {
	if len(text) > maxTarget {
		text = text[:maxTarget]
	}
	w := bufio.NewWriter(conn)
	w.Write([]byte{byte(code), byte(len(text))})
	w.WriteString(text)
	return w.Flush()
}
