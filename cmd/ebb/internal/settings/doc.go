// Package settings turns what the command line, a file and a preset say about
// connections into one set of values.
//
// Each source is a Layer: the settings that it gives, as text, checked when they
// are given. Resolve looks a setting up in the layers in order of precedence and
// checks what only shows when all are known. Every error is one line that says
// where the value stands and what is allowed.
package settings
