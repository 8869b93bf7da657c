package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	// table is where a file has the settings, and limitsTable those of package limits.
	table       = "network-api"
	limitsTable = "limits"
	// maxFile is the largest file that is read, in bytes. What is longer is
	// something else.
	maxFile = 16 << 10
	// maxQuote is how much of a value or a line an error repeats, in bytes.
	maxQuote = 60
)

// ReadFile reads a TOML file. Its settings are in the tables [network-api], [limits] and [tls]; a key
// that is unknown or given twice is an error, and so is any other table.
func ReadFile(path string) (*Layer, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the settings: %w", err)
	}
	return parseFile(path, data)
}

// readSmall reads a file that may be anything the user has named.
func readSmall(path string) ([]byte, error) {
	// A pipe that nobody writes to is empty, instead of a wait that nothing
	// interrupts.
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) == 0 {
		if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
			return nil, fmt.Errorf("%s is a pipe that nobody writes to", path)
		}
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes: want a TOML file with a few lines", path, maxFile)
	}
	return data, nil
}

// parseFile reads what a file contains. The name is for errors.
func parseFile(name string, data []byte) (*Layer, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // what some editors begin with
	tables := []string{table, limitsTable, protectionTable}
	var document map[string]any
	if err := toml.Unmarshal(data, &document); err != nil {
		return nil, syntaxError(name, data, err)
	}
	at := positionsIn(name, data)
	for _, key := range slices.Sorted(maps.Keys(document)) {
		if slices.Contains(tables, key) {
			continue
		}
		if _, ok := keyOf(key); ok {
			return nil, fmt.Errorf("%s: %s stands before the table: want it below a line [%s]", at.origin(key), key, table)
		}
		return nil, fmt.Errorf("%s: there is no table or key %.*q: want the tables [%s], [%s] and [%s] alone", at.origin(key), maxQuote, key, table, limitsTable, protectionTable)
	}
	var layer Layer
	for _, in := range tables {
		content, ok := document[in].(map[string]any)
		if !ok && document[in] != nil {
			return nil, fmt.Errorf("%s: %s is not a table: want a line [%s]", at.origin(in), in, in)
		}
		order := func(a, b string) int { return at.order(in, a, b) }
		for _, key := range slices.SortedFunc(maps.Keys(content), order) {
			set := layer.setAny
			if in == protectionTable {
				set = layer.setProtectionAny
			}
			if err := set(in, key, content[key], at.origin(in, key)); err != nil {
				return nil, err
			}
		}
	}
	return &layer, nil
}

// setAny gives a setting as TOML has it.
func (l *Layer) setAny(table, key string, value any, origin string) error {
	known, ok := keyIn(table, key)
	if !ok {
		return fmt.Errorf("%s: there is no key %.*q in [%s]: want %s", origin, maxQuote, key, table, list(keyNames(table), "or"))
	}
	var text, quoted string
	switch v := value.(type) {
	case int64:
		text = strconv.FormatInt(v, 10)
		quoted = text
	case string:
		text, quoted = v, fmt.Sprintf("%.*q", maxQuote, v)
	default:
		return fmt.Errorf("%s: %s is %s; want %s, a whole number or a string", origin, key, typeName(value), known.want)
	}
	if err := l.Set(known.Name, text, origin); err != nil {
		return fmt.Errorf("%s: %s = %s: %w", origin, key, quoted, err)
	}
	return nil
}

// typeName is a type of TOML as people call it.
func typeName(value any) string {
	switch value.(type) {
	case float64:
		return "a fraction"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or a time"
}

// syntaxError says where a file is not TOML. What stands there names the key.
func syntaxError(name string, data []byte, err error) error {
	var bad *toml.DecodeError
	if !errors.As(err, &bad) {
		return fmt.Errorf("%s: not TOML: %w", name, err)
	}
	line, _ := bad.Position()
	lines := bytes.Split(data, []byte("\n"))
	var text []byte
	if 0 < line && line <= len(lines) {
		text = bytes.TrimSpace(lines[line-1])
	}
	return fmt.Errorf("%s:%d: not TOML: %s, in %.*q", name, line, strings.TrimPrefix(bad.Error(), "toml: "), maxQuote, text)
}

// positions is the lines that keys stand on.
type positions struct {
	file  string
	lines map[string]int // by the parts of the key
}

// positionsIn finds the keys of a file, which is TOML. The first line that mentions a table stands for it. What is deeper than
// the table's own keys is not told apart.
func positionsIn(name string, data []byte) positions {
	at := positions{name, make(map[string]int)}
	var parser unstable.Parser
	parser.Reset(data)
	var in []string // the table that is open
	line, counted := 1, 0
	for parser.NextExpression() {
		e := parser.Expression()
		if e.Kind == unstable.Comment {
			continue
		}
		var key []string
		start := -1
		for it := e.Key(); it.Next(); {
			if n := it.Node(); start < 0 {
				start = int(n.Raw.Offset)
			}
			key = append(key, string(it.Node().Data))
		}
		if start < counted {
			continue
		}
		line, counted = line+bytes.Count(data[counted:start], []byte("\n")), start
		if e.Kind == unstable.KeyValue {
			key = append(slices.Clone(in), key...)
		} else {
			in = key
		}
		for n := 1; n <= min(len(key), 2); n++ {
			if path := joined(key[:n]...); at.lines[path] == 0 {
				at.lines[path] = line
			}
		}
	}
	return at
}

// joined is the index of a key.
func joined(key ...string) string { return strings.Join(key, "\x00") }

// origin is where a key stands, FILE:LINE; an inline table stands for its keys.
func (p positions) origin(key ...string) string {
	for n := len(key); n > 0; n-- {
		if line := p.lines[joined(key[:n]...)]; line > 0 {
			return p.file + ":" + strconv.Itoa(line)
		}
	}
	return p.file
}

// order sorts the keys of a table by line, so that the first error is told.
func (p positions) order(table, a, b string) int {
	if n := p.lines[joined(table, a)] - p.lines[joined(table, b)]; n != 0 {
		return n
	}
	return strings.Compare(a, b)
}
