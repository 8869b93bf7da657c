package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Widths of what is printed with bars, in columns: where the output is no terminal, and the bounds of the others.
const (
	plainWidth = 80
	leastWidth = 40
	mostWidth  = 120
)

// widthOf is how many columns there are for what goes to a file.
func widthOf(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return plainWidth
	}
	return min(max(width, leastWidth), mostWidth)
}

// barChart is values as bars from 0, in lines of a given width.
type barChart struct {
	title string
	bars  []bar
}

// bar is one value.
type bar struct {
	label, text string
	value       float64
}

// print prints the chart: labels, bars to one scale, and texts behind their bars.
func (c *barChart) print(w io.Writer, width int) {
	printWrapped(w, c.title, width)
	labels, texts, most := 0, 0, 0.0
	for _, b := range c.bars {
		labels, texts, most = max(labels, utf8.RuneCountInString(b.label)), max(texts, utf8.RuneCountInString(b.text)), max(most, b.value)
	}
	room := max(width-labels-texts-4, 1)
	for _, b := range c.bars {
		n := 0
		if most > 0 && b.value > 0 {
			n = max(int(b.value/most*float64(room)+0.5), 1)
		}
		fmt.Fprintf(w, "  %-*s %s %s\n", labels, b.label, strings.Repeat("█", n), b.text)
	}
}

// printWrapped prints a paragraph in lines of a given width.
func printWrapped(w io.Writer, text string, width int) {
	for _, line := range wrapped(text, width) {
		fmt.Fprintln(w, line)
	}
}
