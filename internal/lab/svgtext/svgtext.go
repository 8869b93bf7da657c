// Package svgtext has an SVG of gonum's package vgsvg look the same where its fonts are not.
package svgtext

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strconv"
)

// families takes the place of the font that a picture was laid out with.
const families = "font-family:Helvetica,Arial,Liberation Sans,DejaVu Sans,sans-serif;"

// element is a text: what comes before its style, the style with weight and size, the text.
var element = regexp.MustCompile(`(<text [^>]*?)(\s+style="[^"]*font-weight:(\w+);[^"]*font-size:([0-9.]+)px[^"]*">)([^<]+)</text>`)

// Portable gives every text the length that it was laid out with, because letters may be wider where the picture is looked at,
// and any font without serifs. width is the length in points of a text of a size in points.
func Portable(svg []byte, width func(text string, size float64, bold bool) float64) []byte {
	svg = element.ReplaceAllFunc(svg, func(whole []byte) []byte {
		part := element.FindSubmatch(whole)
		size, err := strconv.ParseFloat(string(part[4]), 64)
		if err != nil {
			return whole
		}
		length := width(html.UnescapeString(string(part[5])), size, string(part[3]) != "normal")
		return fmt.Appendf(nil, `%s textLength="%.2f" lengthAdjust="spacingAndGlyphs"%s%s</text>`, part[1], length, part[2], part[5])
	})
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;"), []byte(families))
}
