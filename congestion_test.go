package ebb_test

import (
	"errors"
	"testing"

	"example.com/ebb"
	"example.com/ebb/congestion"
)

// TestWhatIsWrongWithAFactoryIsTheError: a factory's own error can be matched where it was given.
func TestWhatIsWrongWithAFactoryIsTheError(t *testing.T) {
	cause := errors.New("no such algorithm")
	_, err := (&ebb.Dialer{Config: &ebb.Config{Congestion: congestion.Invalid(cause)}}).Dial("udp", "127.0.0.1:9")
	if !errors.Is(err, cause) {
		t.Errorf("got %v, want %v in it", err, cause)
	}
}
