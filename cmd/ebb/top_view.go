package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/ebb"
	"example.com/ebb/debug"
	"example.com/ebb/limits"
)

// topRow is a connection with its rates, in bytes per second.
type topRow struct {
	*debug.Connection
	sending, receiving float64
}

// lost is the part of the packets that was lost.
func (r *topRow) lost() float64 { return float64(r.PacketsLost) / float64(max(1, r.PacketsSent)) }

// topColumn is a column of the list.
type topColumn struct {
	title string
	width int  // the least, in columns of the terminal
	left  bool // is put to the left, and sorted from the smallest
	least int  // from how wide a terminal it is shown
	text  func(r *topRow) string
	less  func(a, b *topRow) int
}

// by compares what a function says of rows.
func by[T cmp.Ordered](of func(*topRow) T) func(a, b *topRow) int {
	return func(a, b *topRow) int { return cmp.Compare(of(a), of(b)) }
}

// topColumns are all, in their order on the screen.
func topColumns() []topColumn {
	seconds := func(of func(*topRow) float64) func(*topRow) string {
		return func(r *topRow) string { return secondsText(of(r)) }
	}
	size := func(of func(*topRow) int) func(*topRow) string {
		return func(r *topRow) string { return bytesText(float64(of(r))) }
	}
	rate := func(of func(*topRow) float64) func(*topRow) string {
		return func(r *topRow) string { return bytesText(of(r)) + "/s" }
	}
	peer := func(r *topRow) string { return r.Remote }
	sending, receiving := func(r *topRow) float64 { return r.sending }, func(r *topRow) float64 { return r.receiving }
	limit := func(r *topRow) string { return shortLimit(r.LimitedBy) }
	state := func(r *topRow) string { return r.State }
	rtt, queue := func(r *topRow) float64 { return r.SmoothedRTTSeconds }, func(r *topRow) float64 { return r.QueueDelaySeconds }
	flight, window := func(r *topRow) int { return r.InFlightBytes }, func(r *topRow) int { return r.CongestionWindowBytes }
	unacked := func(r *topRow) int { return r.SendBufferedBytes }
	return []topColumn{
		{"PEER", 21, true, 0, func(r *topRow) string { return direction(r) + r.Remote }, by(peer)},
		{"STATE", 11, true, 120, state, by(state)},
		{"SENDING", 9, false, 0, rate(sending), by(sending)},
		{"RECEIVING", 9, false, 56, rate(receiving), by(receiving)},
		{"LIMIT", 7, true, 0, limit, by(limit)},
		{"RTT", 7, false, 64, seconds(rtt), by(rtt)},
		{"QUEUE", 7, false, 72, seconds(queue), by(queue)},
		{"LOST", 6, false, 80, func(r *topRow) string { return percentText(r.lost()) }, by((*topRow).lost)},
		{"FLIGHT", 7, false, 90, size(flight), by(flight)},
		{"WINDOW", 7, false, 100, size(window), by(window)},
		{"UNACKED", 7, false, 110, size(unacked), by(unacked)},
	}
}

func direction(r *topRow) string {
	if r.Dialled {
		return ">"
	}
	return "<"
}

// limitNames are short names for what limits a connection.
var limitNames = []struct {
	limit ebb.Limit
	short string
}{
	{ebb.LimitApplication, "app"}, {ebb.LimitReceiver, "rwnd"}, {ebb.LimitCongestion, "cwnd"}, {ebb.LimitPacer, "pacer"},
	{ebb.LimitPool, "pool"}, {ebb.LimitOwn, "own"}, {ebb.LimitSocket, "socket"}, {ebb.LimitSilence, "silent"},
}

func shortLimit(name string) string {
	for _, l := range limitNames {
		if string(l.limit) == name {
			return l.short
		}
	}
	return name
}

// secondsText is a time with a unit and two or three digits.
func secondsText(s float64) string {
	switch {
	case s == 0:
		return "-"
	case s < 1e-3:
		return fmt.Sprintf("%.0f us", s*1e6)
	case s < 10e-3:
		return fmt.Sprintf("%.2f ms", s*1e3)
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1e3)
	}
	return fmt.Sprintf("%.1f s", s)
}

// percentText is a part of a whole.
func percentText(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 0.001:
		return "<0.1%"
	}
	return fmt.Sprintf("%.1f%%", 100*x)
}

// topView is what the user has chosen to see of the figures.
type topView struct {
	columns     []topColumn
	sort        int // a column
	descending  bool
	first       int // row
	paused      bool
	now, before *debug.Snapshot // before: nil, or an earlier one of the same process
	rows        []*topRow
	trouble     string // why there are no newer figures; "": there are
}

func newTopView() *topView { return &topView{columns: topColumns(), sort: 2, descending: true} }

// take has newer figures shown.
func (v *topView) take(s *debug.Snapshot) {
	v.before, v.now, v.trouble = v.now, s, ""
	if v.before != nil && (v.before.PID != s.PID || v.before.UptimeSeconds >= s.UptimeSeconds) {
		v.before = nil
	}
	v.rows = make([]*topRow, len(s.Connections))
	was := make(map[string]*debug.Connection)
	passed := 1.0
	if v.before != nil {
		passed = s.UptimeSeconds - v.before.UptimeSeconds
		for i := range v.before.Connections {
			was[v.before.Connections[i].ID] = &v.before.Connections[i]
		}
	}
	for i := range s.Connections {
		r := &topRow{Connection: &s.Connections[i]}
		if old := was[r.ID]; old != nil {
			r.sending, r.receiving = grown(old.BytesSent, r.BytesSent)/passed, grown(old.BytesReceived, r.BytesReceived)/passed
		}
		v.rows[i] = r
	}
	v.arrange()
}

// grown is by how much a counter has.
func grown(before, now uint64) float64 { return float64(max(now, before) - before) }

// arrange sorts the rows.
func (v *topView) arrange() {
	less := v.columns[v.sort].less
	slices.SortFunc(v.rows, func(a, b *topRow) int {
		order := less(a, b)
		if v.descending {
			order = -order
		}
		return cmp.Or(order, strings.Compare(a.ID, b.ID))
	})
}

// sortBy moves the sorting by so many columns among those that are shown at a width.
func (v *topView) sortBy(step, width int) {
	for {
		v.sort = (v.sort + step + len(v.columns)) % len(v.columns)
		if v.columns[v.sort].least <= width {
			break
		}
	}
	v.descending, v.first = !v.columns[v.sort].left, 0
	v.arrange()
}

// scroll moves the first row that is shown, of a list that has room for so many.
func (v *topView) scroll(by, room int) {
	v.first = max(0, min(v.first+by, len(v.rows)-room))
}

// head is the lines above the list.
func (v *topView) head() []string {
	s := v.now
	up := time.Duration(s.UptimeSeconds) * time.Second
	lines := []string{fmt.Sprintf("%s, process %d, up %v: %d connections", s.Program, s.PID, up, s.ConnectionsTotal)}
	rates := "rates follow"
	if b := v.before; b != nil {
		passed := s.UptimeSeconds - b.UptimeSeconds
		lost := grown(b.Totals.PacketsLost, s.Totals.PacketsLost) / max(1, grown(b.Totals.PacketsSent, s.Totals.PacketsSent))
		rates = fmt.Sprintf("sending %s/s, receiving %s/s, lost %s", bytesText(grown(b.Totals.BytesSent, s.Totals.BytesSent)/passed),
			bytesText(grown(b.Totals.BytesReceived, s.Totals.BytesReceived)/passed), percentText(lost))
	}
	lines = append(lines, rates)
	counts := make(map[string]int)
	for _, r := range v.rows {
		if r.State == string(ebb.StateEstablished) {
			counts[r.LimitedBy]++
		}
	}
	by := "limited by"
	for _, l := range limitNames {
		if n := counts[string(l.limit)]; n > 0 {
			by += fmt.Sprintf(" %s %d", l.short, n)
		}
	}
	lines = append(lines, by)
	for _, p := range s.Pools {
		if p.TotalBytesPerSecond >= 0 {
			lines = append(lines, fmt.Sprintf("%s: %d members, %d throttled, %s/s", p.Name, p.Members, p.Throttled, bytesText(float64(p.TotalBytesPerSecond))))
		}
		if len(lines) == 5 {
			break
		}
	}
	return append(lines, v.refusals()...)
}

// refusals is a line about limits that were reached, if there are any.
func (v *topView) refusals() []string {
	for _, m := range v.now.Limits {
		for _, scope := range m.Scopes {
			for _, b := range scope.Books {
				if scope.Level == limits.LevelProcess.String() && b.Refused > 0 {
					return []string{fmt.Sprintf("limits: the %s has refused %s %d times (%d of %d in use)", scope.Scope, b.Resource, b.Refused, b.Used, b.Limit)}
				}
			}
		}
	}
	return nil
}

// titles is the line of the columns' names, and line that of a row.
func (v *topView) titles(width int) string {
	return v.join(width, func(i int, c *topColumn) string {
		if i != v.sort {
			return c.title
		}
		return c.title + map[bool]string{true: "-", false: "+"}[v.descending]
	})
}

func (v *topView) line(r *topRow, width int) string {
	return v.join(width, func(_ int, c *topColumn) string { return c.text(r) })
}

// join puts the cells of a line into the columns that have room. What is left of the width is the first one's, up to the
// longest IPv6 address with a port.
func (v *topView) join(width int, cell func(int, *topColumn) string) string {
	used := -1
	for _, c := range v.columns {
		if c.least <= width {
			used += c.width + 1
		}
	}
	extra := min(max(0, width-used), 27)
	var b strings.Builder
	for i := range v.columns {
		c := &v.columns[i]
		if c.least > width {
			continue
		}
		w, text := c.width, plain(cell(i, c))
		if i == 0 {
			w += extra
		} else {
			b.WriteByte(' ')
		}
		text = fit(text, w)
		pad := strings.Repeat(" ", w-len(text))
		if c.left {
			b.WriteString(text + pad)
		} else {
			b.WriteString(pad + text)
		}
	}
	return fit(strings.TrimRight(b.String(), " "), width)
}

// plain makes a text one of characters that are one column wide and mean nothing to a terminal. It is somebody else's.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

// fit cuts off what is beyond a width.
func fit(text string, width int) string {
	if len(text) <= width {
		return text
	}
	if width < 2 {
		return text[:max(0, width)]
	}
	return text[:width-1] + "~"
}

// screen is all lines of a terminal of a size.
func (v *topView) screen(width, height int) (lines []string, titles int) {
	help := "q quit  s S sort  r reverse  up down  p pause"
	switch {
	case v.trouble != "":
		help = v.trouble
	case v.paused:
		help = "paused: p goes on"
	}
	if v.now != nil {
		lines = v.head()
		titles = len(lines)
		lines = append(lines, v.titles(width))
		room := max(0, height-len(lines)-1)
		v.scroll(0, room)
		for _, r := range v.rows[v.first:min(len(v.rows), v.first+room)] {
			lines = append(lines, v.line(r, width))
		}
	}
	lines = lines[:min(len(lines), max(0, height-1))]
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	lines = append(lines, help)
	for i, line := range lines {
		lines[i] = fit(plain(line), width)
	}
	return lines, titles
}

// text is everything, for whoever has no terminal.
func (v *topView) text(width int) string {
	lines := append(v.head(), v.titles(width))
	for _, r := range v.rows {
		lines = append(lines, v.line(r, width))
	}
	if more := v.now.ConnectionsTotal - len(v.rows); more > 0 {
		lines = append(lines, fmt.Sprintf("%d more are not listed", more))
	}
	for i, line := range lines {
		lines[i] = plain(line)
	}
	return strings.Join(lines, "\n") + "\n"
}
