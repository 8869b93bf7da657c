package svgtext

import "testing"

func TestPortable(t *testing.T) {
	const style = `style="font-family:Liberation Sans;font-weight:bold;font-style:normal;font-size:12px;fill:#000000"`
	svg := `<text x="1" y="-2" ` + style + `>a &amp; b</text><path d="M0,0"/>`
	want := `<text x="1" y="-2" textLength="36.00" lengthAdjust="spacingAndGlyphs" style="` + families +
		`font-weight:bold;font-style:normal;font-size:12px;fill:#000000">a &amp; b</text><path d="M0,0"/>`
	got := Portable([]byte(svg), func(text string, size float64, bold bool) float64 {
		if text != "a & b" || !bold {
			t.Errorf("asked for %q, bold %v", text, bold)
		}
		return 3 * size
	})
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
