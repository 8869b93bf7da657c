package congestion

import (
	"errors"
	"testing"
	"time"
)

type least struct{ Base }

func (least) Window() int                    { return 2 * minDatagramSize }
func (least) PacingRate(time.Duration) int64 { return 0 }
func (least) Stats() Stats                   { return Stats{Name: "least"} }

func TestCheck(t *testing.T) {
	cause := errors.New("settings that contradict each other")
	for _, c := range []struct {
		name    string
		factory Factory
		ok      bool
		cause   error
	}{
		{"valid", func(Params) Controller { return least{} }, true, nil},
		{"no factory", nil, false, nil},
		{"nil controller", func(Params) Controller { return nil }, false, nil},
		{"invalid", Invalid(cause), false, cause},
	} {
		err := Check(c.factory)
		if (err == nil) != c.ok || c.cause != nil && !errors.Is(err, c.cause) {
			t.Errorf("%s: got %v, want an error: %v, with cause %v", c.name, err, !c.ok, c.cause)
		}
	}
}

func TestCheckAsksForAPossibleController(t *testing.T) {
	calls := 0
	err := Check(func(p Params) Controller {
		calls++
		if p.MaxDatagramSize < minDatagramSize {
			t.Errorf("MaxDatagramSize is %d, want at least %d", p.MaxDatagramSize, minDatagramSize)
		}
		return least{}
	})
	if err != nil || calls != 1 {
		t.Errorf("got %v after %d calls, want no error after 1", err, calls)
	}
}

func TestInvalidControllerKeepsToTheInterface(t *testing.T) {
	c := Invalid(errors.New("no"))(Params{MaxDatagramSize: 1200})
	c.OnMaxDatagramSize(1452)
	if got := c.Window(); got != 2*1452 {
		t.Errorf("window %d, want two packets of 1452 bytes", got)
	}
	if got := c.Stats(); got.Name != "invalid" || got.State != "no" {
		t.Errorf("got %+v, want the error among the Stats", got)
	}
}
