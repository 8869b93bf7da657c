package netlab

import (
	"errors"
	"testing"
	"time"
)

func TestLatest(t *testing.T) {
	said := "tcp cubic: handed 9 Mbit/s\na>b delivered 9 packets, late by p50 57µs p99 15.4ms p99.9 51.1ms max 61.91077ms\n" +
		"b>a delivered 3 packets, late by p50 64µs p99 9.8ms p99.9 28ms max 37.577042ms\n"
	if got, err := latest(said); err != nil || got != 61910770*time.Nanosecond {
		t.Errorf("%v, %v, want 61.91077ms", got, err)
	}
	for _, wrong := range []string{"", "late by p50 1s max soon\n"} {
		if _, err := latest(wrong); err == nil {
			t.Errorf("no error of %q", wrong)
		}
	}
}

func TestUnavailable(t *testing.T) {
	for _, folder := range []string{"", t.TempDir()} {
		if _, err := Open(t.Context(), folder, nil); !errors.Is(err, ErrUnavailable) {
			t.Errorf("folder %q: error %v, want ErrUnavailable", folder, err)
		}
	}
}
