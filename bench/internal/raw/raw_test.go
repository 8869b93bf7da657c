package raw

import (
	"testing"
	"time"
)

func TestWays(t *testing.T) {
	for _, w := range Ways() {
		t.Run(w.Name, func(t *testing.T) {
			got, err := w.Run(t.Context(), 50*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if got[Rate] <= 0 || got[CPU] <= 0 || got[Loss] < 0 || got[Loss] >= 1 {
				t.Errorf("the sample is %v", got)
			}
		})
	}
}
