package settings

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/ebb/internal/lab/pagetable"
	"example.com/ebb/ledbat"
	"example.com/ebb/pool"
)

var update = flag.Bool("update", false, "write the tables of docs/tuning.md anew")

const tuning = "../../../../docs/tuning.md"

// The tables of docs/tuning.md are what the code has.
func TestTuningTables(t *testing.T) {
	pagetable.Check(t, tuning, "go test ./cmd/ebb/internal/settings -run TestTuningTables -update", map[string]string{
		"presets":  presetTable(),
		"shares":   shareTable(100_000_000, 2_000_000, 1, 5, 10, 25, 50, 100),
		"home":     shareTable(3_000_000, 500_000, 1, 4, 6, 9),
		"networks": networkTable(),
	}, *update)
}

// The tables that the settings are described by: no other figures than these.
func TestDescribedFigures(t *testing.T) {
	const m = 1_000_000
	for n, want := range map[int64]int64{1: 100 * m, 5: 20 * m, 10: 10 * m, 25: 4 * m, 50: 2 * m, 100: 2 * m} {
		if got := pool.Share(100*m, n, 2*m); got != want {
			t.Errorf("%d connections get %d each, want %d", n, got, want)
		}
	}
	for name, want := range map[string]Settings{
		"gateway":       {TotalBandwidthLimit: 100 * m, MinBandwidthPerConnection: m, MinSSThresh: 500_000},
		"regular":       {TotalBandwidthLimit: 10 * m, MinBandwidthPerConnection: m / 2},
		"testing":       {BandwidthLimit: 100 * m},
		"testing-total": {TotalBandwidthLimit: 500 * m, MinBandwidthPerConnection: m},
	} {
		got, err := Resolve(1, layer(t, "command line", "preset="+name))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("preset %s: %+v, %v; want %+v", name, got, err, want)
		}
	}
}

// markdown is a table of rows whose first is the head.
func markdown(rows ...[]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}

func presetTable() string {
	rows := [][]string{{"`--preset`", "for", "sets"}}
	for _, p := range presets() {
		var values []string
		for _, v := range p.values {
			key, _ := keyOf(v[0])
			n, err := key.parse(v[1])
			if err != nil {
				panic(err)
			}
			text := FormatRate(n)
			if key.Kind == "SIZE" {
				text = formatSize(n)
			}
			values = append(values, fmt.Sprintf("`%s` %s", v[0], text))
		}
		rows = append(rows, []string{p.name, p.purpose, strings.Join(values, ", ")})
	}
	return markdown(rows...)
}

func shareTable(total, least int64, counts ...int64) string {
	head, each, sum := []string{"connections"}, []string{"each gets"}, []string{"all together"}
	for _, n := range counts {
		share := pool.Share(total, n, least)
		head = append(head, fmt.Sprint(n))
		each = append(each, fmt.Sprintf("%g MB/s", float64(share)/1e6))
		sum = append(sum, fmt.Sprintf("%g MB/s", float64(share*n)/1e6))
	}
	return markdown(head, each, sum)
}

func networkTable() string {
	rows := [][]string{{"`--network-type`", "round trip", "useful floor", "floor that it sets"}}
	for _, name := range networkTypeNames() {
		kind, err := ledbat.ParseNetworkType(name)
		if err != nil {
			panic(err)
		}
		least, most := kind.RTT()
		trip := fmt.Sprintf("%d to %d ms", least/time.Millisecond, most/time.Millisecond)
		switch {
		case most == 0:
			trip = fmt.Sprintf("%d ms and more", least/time.Millisecond)
		case least == 0:
			trip = fmt.Sprintf("below %d ms", most/time.Millisecond)
		}
		from, to := kind.MinSSThreshRange()
		sense, sets := formatSize(int64(from)), formatSize(int64(kind.MinSSThresh()))
		switch {
		case to == 0:
			sense, sets = "none", "`auto`"
		case from != to:
			sense += " to " + formatSize(int64(to))
		}
		rows = append(rows, []string{name, trip, sense, sets})
	}
	return markdown(rows...)
}
