package settings

import (
	"strings"
	"testing"
)

func TestRates(t *testing.T) {
	for text, want := range map[string]int64{
		"1000":            1000,
		"10000000":        10_000_000,
		"0010000":         10_000,
		"50MB/s":          50_000_000,
		"50 MB/s":         50_000_000,
		"50MB":            50_000_000,
		"500kB/s":         500_000,
		"500KB/s":         500_000,
		"1GB/s":           1_000_000_000,
		"1TB/s":           1_000_000_000_000,
		"1000000000000":   1_000_000_000_000,
		"1KiB/s":          1024,
		"1MiB/s":          1 << 20,
		"2GiB":            2 << 30,
		"400mbit":         50_000_000,
		"400Mbit/s":       50_000_000,
		"8kbit/s":         1000,
		"8000bit":         1000,
		"10Gbit":          1_250_000_000,
		"8tbit":           1_000_000_000_000,
		"1.5MB/s":         1_500_000,
		"0.5GB/s":         500_000_000,
		"33.333Mbit":      4_166_625,
		"1.0005kB":        1000, // rounded down
		"1234.0":          1234,
		"8001bit":         1000,
		"0.000001TB":      1_000_000,
		"9999.99999999 B": 9999,
	} {
		if got, err := parseRate(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"1200": 1200, "102400": 102_400, "500kB": 500_000, "500 KB": 500_000, "1MiB": 1 << 20, "1GB": 1_000_000_000,
		"1000000000": 1_000_000_000, "100KiB": 102_400, "2.5MB": 2_500_000,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestRatesThatAreNone(t *testing.T) {
	const notANumber, ambiguous, unknown = "not a number", "could be bits or bytes", "there is no unit"
	for text, want := range map[string]string{
		"":                      notANumber,
		" ":                     notANumber,
		"MB/s":                  notANumber,
		"/s":                    notANumber,
		"nan":                   notANumber,
		"NaN":                   notANumber,
		"inf":                   notANumber,
		"+5MB":                  notANumber,
		"1.2.3MB":               notANumber,
		".5MB":                  notANumber,
		"5.MB":                  notANumber,
		" 5MB":                  notANumber,
		strings.Repeat("9", 41): notANumber,
		"-5":                    "negative",
		"-5MB/s":                "negative",
		"1e7":                   unknown,
		"0x10000":               unknown,
		"10_000_000":            unknown,
		"10,5MB":                unknown,
		"1/2MB":                 unknown,
		"5MB per second":        unknown,
		"5PB":                   unknown,
		"5mib":                  unknown,
		"5MB/s/s":               unknown,
		"5MB/S":                 unknown,
		"5b":                    unknown,
		"5\xff":                 unknown,
		"5MB\n":                 unknown,
		"5k":                    "write kB or kbit",
		"5M":                    "write MB or Mbit",
		"5kb":                   "write kB or kbit",
		"5Mb/s":                 ambiguous,
		"5mb":                   ambiguous,
		"5mB":                   ambiguous,
		"5Mbps":                 ambiguous,
		"5mbps":                 ambiguous,
		"5gbps":                 "write GB or Gbit",
		"5000/s":                "the unit is missing",
		"5000.5":                "a whole number",
	} {
		if got, err := parseRate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rate %q is %d, error %v; want %q", text, got, err, want)
		}
	}
}

func TestQuantitiesOutOfRange(t *testing.T) {
	for text, want := range map[string]string{
		"0":                      "not from 1kB/s to 1TB/s",
		"999":                    "not from 1kB/s to 1TB/s",
		"999.9B":                 "not from 1kB/s to 1TB/s",
		"5":                      "not from 1kB/s to 1TB/s",
		"1000000000001":          "not from 1kB/s to 1TB/s",
		"9223372036854775807":    "not from 1kB/s to 1TB/s",
		"9223372036854775808":    "not from 1kB/s to 1TB/s",
		"18446744073709552000MB": "not from 1kB/s to 1TB/s",
		"1025GiB":                "not from 1kB/s to 1TB/s",
	} {
		if got, err := parseRate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rate %q is %d, error %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"5MB/s": "there is no unit", "1199": "not from 1200B to 1GB", "1000000001": "not from 1200B to 1GB", "0.5": "a whole number",
	} {
		if got, err := parseSize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("size %q is %d, error %v; want %q", text, got, err, want)
		}
	}
}

// What is printed can be given back.
func TestFormattedRatesAreRead(t *testing.T) {
	for _, n := range []int64{minRate, 1024, 10_000_000, 123_456_789, 1_000_000_001, 2_000_000_000, maxRate} {
		if got, err := parseRate(FormatRate(n)); err != nil || got != n {
			t.Errorf("%d is %s, which is read as %d, %v", n, FormatRate(n), got, err)
		}
	}
	if got := FormatRate(Unlimited); got != "unlimited" {
		t.Errorf("no limit is %q", got)
	}
}

func FuzzQuantity(f *testing.F) {
	for _, text := range []string{"", "1000", "50MB/s", "400mbit", "1.5 KiB", "-1", "1e9", "99999999999999999999TB", "5Mb", "0.0000000001B"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, parse := range map[string]func(string) (int64, error){"rate": parseRate, "size": parseSize} {
			n, err := parse(text)
			switch {
			case err != nil && (n != 0 || strings.Contains(err.Error(), "\n")):
				t.Errorf("%s %q: %d with error %q", name, text, n, err)
			case err == nil && name == "rate" && (n < minRate || n > maxRate):
				t.Errorf("rate %q is %d", text, n)
			case err == nil && name == "size" && (n < minFloor || n > maxFloor):
				t.Errorf("size %q is %d", text, n)
			}
		}
	})
}
