package settings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// layer makes one of "key=value" words.
func layer(t *testing.T, origin, words string) *Layer {
	t.Helper()
	var l Layer
	for _, word := range strings.Fields(words) {
		key, value, _ := strings.Cut(word, "=")
		if err := l.Set(key, value, origin); err != nil {
			t.Fatalf("%s: %v", word, err)
		}
	}
	return &l
}

func TestPrecedence(t *testing.T) {
	const m = 1_000_000
	tests := []struct {
		name, flags, file string
		want              Settings
	}{
		{"the default", "", "", Settings{BandwidthLimit: 7 * m}},
		{"a flag", "bandwidth-limit=2MB/s", "", Settings{BandwidthLimit: 2 * m}},
		{"the file", "", "bandwidth-limit=3MB/s", Settings{BandwidthLimit: 3 * m}},
		{"flag over file", "bandwidth-limit=2MB/s", "bandwidth-limit=3MB/s", Settings{BandwidthLimit: 2 * m}},
		{"preset over default", "preset=testing", "", Settings{BandwidthLimit: 100 * m}},
		{"file over preset", "preset=testing", "bandwidth-limit=3MB/s", Settings{BandwidthLimit: 3 * m}},
		{"flag over the file's preset", "bandwidth-limit=2MB/s", "preset=testing", Settings{BandwidthLimit: 2 * m}},
		{"preset flag over the file's", "preset=regular", "preset=testing",
			Settings{TotalBandwidthLimit: 10 * m, MinBandwidthPerConnection: m / 2}},
		{"gateway", "", "preset=gateway",
			Settings{TotalBandwidthLimit: 100 * m, MinBandwidthPerConnection: m, MinSSThresh: 500_000}},
		{"testing in all", "preset=testing-total", "", Settings{TotalBandwidthLimit: 500 * m, MinBandwidthPerConnection: m}},
		{"a total alone", "total-bandwidth-limit=3MB/s", "", Settings{TotalBandwidthLimit: 3 * m, MinBandwidthPerConnection: m}},
		{"a total below the default minimum", "total-bandwidth-limit=300kB/s", "",
			Settings{TotalBandwidthLimit: 300_000, MinBandwidthPerConnection: 300_000}},
		{"the home line", "", "total-bandwidth-limit=3MB/s min-bandwidth-per-connection=500kB/s",
			Settings{TotalBandwidthLimit: 3 * m, MinBandwidthPerConnection: m / 2}},
		{"no minimum", "min-bandwidth-per-connection=none", "preset=regular", Settings{TotalBandwidthLimit: 10 * m}},
		{"no total", "total-bandwidth-limit=none", "preset=regular", Settings{BandwidthLimit: 7 * m}},
		{"minimum and total equal", "total-bandwidth-limit=8mbit min-bandwidth-per-connection=1MB/s", "",
			Settings{TotalBandwidthLimit: m, MinBandwidthPerConnection: m}},
		{"no limit", "bandwidth-limit=-1", "", Settings{BandwidthLimit: Unlimited}},
		{"a network", "network-type=satellite", "", Settings{BandwidthLimit: 7 * m, MinSSThresh: 1_000_000}},
		{"a network that needs no floor, over a preset", "network-type=lan", "preset=gateway",
			Settings{TotalBandwidthLimit: 100 * m, MinBandwidthPerConnection: m}},
		{"the flag's network over the file's floor", "network-type=satellite", "min-ssthresh=50kB",
			Settings{BandwidthLimit: 7 * m, MinSSThresh: 1_000_000}},
		{"the flag's floor over the file's network", "min-ssthresh=50kB", "network-type=satellite",
			Settings{BandwidthLimit: 7 * m, MinSSThresh: 50_000}},
		{"a derived floor over a file's", "min-ssthresh=auto", "min-ssthresh=50kB", Settings{BandwidthLimit: 7 * m}},
		{"no floor", "min-ssthresh=-1", "", Settings{BandwidthLimit: 7 * m, MinSSThresh: -1}},
		{"control", "", "congestion-control=ledbat++", Settings{BandwidthLimit: 7 * m, CongestionControl: PlusPlus}},
		{"service", "", "dscp=46", Settings{BandwidthLimit: 7 * m, DSCP: 46}},
		{"no service", "dscp=none", "dscp=46", Settings{BandwidthLimit: 7 * m, DSCP: -1}},
		{"service by default", "dscp=auto", "dscp=46", Settings{BandwidthLimit: 7 * m}},
		{"control that competes", "congestion-control=bbr", "congestion-control=ledbat++", Settings{BandwidthLimit: 7 * m, CongestionControl: BBR}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Resolve(7*m, layer(t, "command line", test.flags), layer(t, "ebb.toml", test.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	tests := []struct {
		flags, file string
		want        []string
	}{
		{"bandwidth-limit=2MB/s", "total-bandwidth-limit=8MB/s",
			[]string{"total-bandwidth-limit 8MB/s (ebb.toml:2) overrides bandwidth-limit 2MB/s (command line)"}},
		{"total-bandwidth-limit=8MB/s", "preset=testing",
			[]string{"total-bandwidth-limit 8MB/s (command line) overrides bandwidth-limit 100MB/s (preset testing)"}},
		{"min-bandwidth-per-connection=2MB/s", "",
			[]string{"min-bandwidth-per-connection 2MB/s (command line) has no effect without total-bandwidth-limit"}},
		{"min-bandwidth-per-connection=2MB/s", "preset=regular", nil},
		{"total-bandwidth-limit=none", "preset=regular", nil},
		{"congestion-control=cubic network-type=satellite", "",
			[]string{"the floor under the slow-start threshold has no effect with cubic"}},
		{"congestion-control=cubic min-ssthresh=auto", "", nil},
		{"bandwidth-limit=2MB/s", "bandwidth-limit=8MB/s", nil},
	}
	for _, test := range tests {
		got, err := Resolve(1, layer(t, "command line", test.flags), layer(t, "ebb.toml:2", test.file))
		if err != nil {
			t.Errorf("%s, %s: %v", test.flags, test.file, err)
		}
		if diff := cmp.Diff(test.want, got.Notes); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", test.flags, test.file, diff)
		}
	}
}

func TestContradictions(t *testing.T) {
	tests := []struct{ flags, file, want string }{
		{"min-bandwidth-per-connection=2MB/s", "total-bandwidth-limit=1MB/s",
			"min-bandwidth-per-connection 2MB/s (command line) is above total-bandwidth-limit 1MB/s (ebb.toml:2): want at most that"},
		{"total-bandwidth-limit=100kB/s preset=regular", "",
			"min-bandwidth-per-connection 500kB/s (preset regular) is above total-bandwidth-limit 100kB/s (command line): want at most that"},
		{"", "network-type=lan min-ssthresh=5kB",
			"min-ssthresh 5kB (ebb.toml:2) and network-type lan (ebb.toml:2) both set the floor: want one of them"},
	}
	for _, test := range tests {
		_, err := Resolve(1, layer(t, "command line", test.flags), layer(t, "ebb.toml:2", test.file))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s, %s: error\n%v, want\n%s", test.flags, test.file, err, test.want)
		}
	}
}

// Every preset and every network type can be chosen.
func TestEveryNameIsTaken(t *testing.T) {
	for key, names := range map[string][]string{presetKey: presetNames(), networkTypeKey: networkTypeNames(), controlKey: controlNames()} {
		for _, name := range names {
			if _, err := Resolve(1, layer(t, "command line", key+"="+name)); err != nil {
				t.Errorf("%s %s: %v", key, name, err)
			}
		}
		var l Layer
		for _, name := range []string{"", "0", "REGULAR", "gateway ", names[0] + "x"} {
			if err := l.Set(key, name, "command line"); err == nil || !strings.Contains(err.Error(), names[0]) {
				t.Errorf("%s %q: error %v", key, name, err)
			}
		}
	}
}
