package bbr

import (
	"testing"

	"example.com/ebb/congestion/internal/controllertest"
)

// FuzzController holds the controller to the bounds of the interface whatever happens.
func FuzzController(f *testing.F) { controllertest.Fuzz(f, Factory()) }

func TestNothingIsAllocated(t *testing.T) { controllertest.NothingAllocated(t, Factory()) }
