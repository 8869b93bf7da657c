package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// textBox is where a text of a picture is, in points from the lower left corner.
type textBox struct {
	text                     string
	left, right, low, height float64
}

var (
	textPlace   = regexp.MustCompile(`<text x="([0-9.]+)" y="-([0-9.]+)" transform="scale\(1, -1\)" textLength="([0-9.]+)"[^>]*font-size:([0-9.]+)px[^>]*>([^<]+)</text>`)
	pictureSize = regexp.MustCompile(`viewBox="0 0 ([0-9.]+) ([0-9.]+)"`)
)

// numbers are the matches of a pattern's groups.
func numbers(t *testing.T, match []string) (all []float64) {
	t.Helper()
	for _, text := range match {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// checkTexts reports texts of an SVG that leave it, or that are written over each other.
func checkTexts(t *testing.T, name, svg string) {
	t.Helper()
	size := pictureSize.FindStringSubmatch(svg)
	found := textPlace.FindAllStringSubmatch(svg, -1)
	if size == nil || len(found) == 0 || len(found) != strings.Count(svg, "<text ") {
		t.Fatalf("%s: of %d texts %d have a place and a length; size %q", name, strings.Count(svg, "<text "), len(found), size)
	}
	whole := numbers(t, size[1:])
	var boxes []textBox
	for _, match := range found {
		n := numbers(t, match[1:5])
		box := textBox{match[5], n[0], n[0] + n[2], n[1], n[3] * 0.7} // of capitals and digits
		if strings.TrimSpace(box.text) == "" || n[3] == 1 {           // the places of a panel's head, and of times that are not shown
			continue
		}
		if box.right > whole[0] || box.low+box.height > whole[1] {
			t.Errorf("%s: %q ends at %.0f, %.0f: the picture at %.0f, %.0f", name, box.text, box.right, box.low+box.height, whole[0], whole[1])
		}
		for _, other := range boxes {
			if box.left < other.right && other.left < box.right && box.low < other.low+other.height && other.low < box.low+box.height {
				t.Errorf("%s: %q is written over %q", name, box.text, other.text)
			}
		}
		boxes = append(boxes, box)
	}
}

// TestPicturesOfTheDocs: in the kept pictures no text is cut off, or over another.
func TestPicturesOfTheDocs(t *testing.T) {
	paths, err := filepath.Glob("../../docs/pictures/*.svg")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d pictures, error %v", len(paths), err)
	}
	for _, path := range paths {
		svg, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		checkTexts(t, path, string(svg))
	}
}

// TestPictureTexts: long titles are in lines of about one length, and names of flows beside each other.
func TestPictureTexts(t *testing.T) {
	p := picture{title: strings.Repeat("Ebb & friends keep all of it, ", 6), below: "a test", end: 10}
	for _, label := range []string{"Goodput, Mbit/s", "Window, KB"} {
		one := panel{label: label}
		for i, name := range []string{"Ebb", "Ebb, later", "CUBIC", "BBR", "another CUBIC", "Reno"} {
			one.curves = append(one.curves, curve{name, []float64{0, 1e6, 5}, 5, i})
		}
		p.panels = append(p.panels, one)
	}
	svg, err := p.svg()
	if err != nil {
		t.Fatal(err)
	}
	checkTexts(t, "a picture", string(svg))
}

func TestBalanced(t *testing.T) {
	for text, want := range map[string][]string{
		"":                    {""},
		"one":                 {"one"},
		"aa bb cc":            {"aa bb cc"},
		"aa bb cc dd":         {"aa bb", "cc dd"},
		"overlong-word aa bb": {"overlong-word", "aa bb"},
	} {
		if got := balanced(text, 8); !reflect.DeepEqual(got, want) {
			t.Errorf("%q in lines of 8: %q, want %q", text, got, want)
		}
	}
}
