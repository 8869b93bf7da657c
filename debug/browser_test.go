//go:build unix

package debug

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// browser is a page in a real browser without a window, driven through the protocol of its developer tools.
type browser struct {
	*testing.T
	conn   *websocket.Conn
	id     int
	events []string // what the browser has complained of
}

// message is one of the protocol, in either direction.
type message struct {
	ID     int             `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`
}

// browse opens a page, or skips the test where there is no browser.
func browse(t *testing.T, url string) *browser {
	t.Helper()
	endpoint := startBrowser(t)
	host := strings.Split(strings.TrimPrefix(endpoint, "ws://"), "/")[0]
	var tabs []struct{ WebSocketDebuggerURL, Type string }
	answer, err := http.Get("http://" + host + "/json/list")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&tabs); err != nil || len(tabs) == 0 {
		t.Fatalf("no tab: %v", err)
	}
	conn, err := websocket.Dial(tabs[0].WebSocketDebuggerURL, "", "http://localhost")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.MaxPayloadBytes = 64 << 20
	b := &browser{T: t, conn: conn}
	for _, domain := range []string{"Log", "Runtime", "Page"} {
		b.call(domain+".enable", nil)
	}
	b.call("Page.navigate", map[string]any{"url": url})
	return b
}

// call calls a method of the protocol and returns its result.
func (b *browser) call(method string, params any) json.RawMessage {
	b.Helper()
	b.id++
	raw, err := json.Marshal(params)
	if err != nil {
		b.Fatal(err)
	}
	if params == nil {
		raw = []byte("{}")
	}
	b.conn.SetDeadline(time.Now().Add(time.Minute))
	if err := websocket.JSON.Send(b.conn, message{ID: b.id, Method: method, Params: raw}); err != nil {
		b.Fatal(err)
	}
	for {
		var m message
		if err := websocket.JSON.Receive(b.conn, &m); err != nil {
			b.Fatalf("%s: %v", method, err)
		}
		switch {
		case m.ID == b.id && m.Error != nil:
			b.Fatalf("%s: %s", method, m.Error)
		case m.ID == b.id:
			return m.Result
		case m.Method == "Log.entryAdded" || m.Method == "Runtime.exceptionThrown":
			b.events = append(b.events, string(m.Params))
		}
	}
}

// eval is the value of an expression in the page, as text.
func (b *browser) eval(expression string) string {
	b.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	if err := json.Unmarshal(b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}), &got); err != nil {
		b.Fatal(err)
	}
	if got.ExceptionDetails != nil {
		b.Fatalf("%s: %s", expression, got.ExceptionDetails)
	}
	return fmt.Sprint(got.Result.Value)
}

// await waits until an expression of the page is true.
func (b *browser) await(expression string) {
	b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(time.Minute); b.eval(expression) != "true"; <-tick.C {
		if time.Now().After(limit) {
			b.Fatalf("waited in vain for %s; the page says %s, complaints %q", expression, b.eval("document.body.innerText.slice(0, 500)"), b.events)
		}
	}
}

// picture keeps what the page looks like, if the directory EBB_PICTURES is given.
func (b *browser) picture(name string) {
	dir := os.Getenv("EBB_PICTURES")
	if dir == "" {
		return
	}
	var got struct{ Data string }
	if err := json.Unmarshal(b.call("Page.captureScreenshot", map[string]any{"format": "png"}), &got); err != nil {
		b.Fatal(err)
	}
	png, err := base64.StdEncoding.DecodeString(got.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o666)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// filter has the page show what a text is found in.
func (b *browser) filter(text string) {
	b.eval(`document.getElementById("filter").value = "` + text + `"; document.getElementById("filter").oninput()`)
}

// TestThePageInABrowser: it is live, sorts, filters, turns pages and shows one connection; of 2,000 connections it draws a hundred; what peers say
// stays text; nothing is against its own policy; light and dark differ; and it says when the process is gone.
func TestThePageInABrowser(t *testing.T) {
	var asked atomic.Int64
	h := serving(func() Snapshot { return madeUp(2000, float64(asked.Add(1))) })
	server := httptest.NewServer(h)
	defer server.Close()
	b := browse(t, server.URL+"/debug/ebb/")
	b.await(`document.querySelectorAll("#rows tr").length === 100 && document.getElementById("status").textContent === "live"`)
	b.await(`/MB\/s/.test(document.querySelector("#rows tr td:nth-child(3)").textContent)`) // two snapshots
	if got := b.eval(`document.getElementsByTagName("*").length < 4000`); got != "true" {
		t.Errorf("the page has %s elements", b.eval(`document.getElementsByTagName("*").length`))
	}
	b.picture("many")
	b.sortsAndTurns()
	b.showsOne()
	b.hasTwoGrounds()
	before := asked.Load()
	for limit := time.Now().Add(time.Minute); asked.Load() < before+2; b.eval("1") {
		if time.Now().After(limit) {
			t.Fatal("the page asks no more")
		}
	}
	server.Close()
	b.await(`document.getElementById("status").className === "bad"`)
	for _, event := range b.events {
		if !strings.Contains(event, "ERR_CONNECTION_REFUSED") && !strings.Contains(event, "ERR_EMPTY_RESPONSE") && !strings.Contains(event, "ERR_CONNECTION_RESET") {
			t.Errorf("the browser complains: %s", event)
		}
	}
}

// sortsAndTurns goes to the second page of rows, and sorts them in both directions, which leads back to the first.
func (b *browser) sortsAndTurns() {
	if got := b.eval(`document.getElementById("shown").textContent`); got != "1–100 of 2,000 (5 more are not listed)" {
		b.Errorf("the list says %q", got)
	}
	b.eval(`document.getElementById("next").click()`)
	b.await(`document.getElementById("shown").textContent.startsWith("101–200")`)
	const rtts = `[...document.querySelectorAll("#rows tr td:nth-child(6)")].map(td => parseFloat(td.textContent))`
	b.eval(`[...document.querySelectorAll("#head button")].find(b => b.textContent === "Round trip").click()`)
	b.await(`document.getElementById("shown").textContent.startsWith("1–100") && ` + rtts + `[0] === 69`)
	b.eval(`document.querySelector("#head [aria-sort] button").click()`)
	b.await(rtts + `[0] === 20`)
}

// showsOne filters for the connection whose texts are nasty, and has it shown as a whole.
func (b *browser) showsOne() {
	b.filter("203.0.113.9")
	b.await(`document.querySelectorAll("#rows tr").length === 1`)
	b.eval(`document.querySelector("#rows tr").click()`)
	b.await(`!document.getElementById("detail").hidden`)
	if got := b.eval(`document.getElementById("fields").textContent`); !strings.Contains(got, nasty) || !strings.Contains(got, "10.0\u00a0MB/s") {
		b.Errorf("the connection is shown as %s", got)
	}
	b.eval(`document.getElementById("detail").scrollIntoView()`)
	b.picture("detail")
	if got := b.eval(`document.getElementById("limits").textContent`); !strings.Contains(got, nasty) {
		b.Errorf("limits are shown as %s", got)
	}
	if got := b.eval(`[document.title, document.querySelectorAll("img").length, document.querySelectorAll("script").length].join()`); got != "gateway – Ebb,0,1" {
		b.Errorf("a peer's words have made this of the page: %s", got)
	}
	b.filter("no such")
	b.await(`document.querySelectorAll("#rows tr").length === 0`)
	b.filter("")
	b.await(`document.querySelectorAll("#rows tr").length === 100`)
}

// hasTwoGrounds looks at the page in the light, in the dark and on a telephone.
func (b *browser) hasTwoGrounds() {
	ground := make(map[string]string)
	for _, scheme := range []string{"light", "dark"} {
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
		ground[scheme] = b.eval(`getComputedStyle(document.body).backgroundColor`)
		b.eval(`scrollTo(0, 0)`)
		b.picture(scheme)
		b.eval(`scrollTo(0, document.body.scrollHeight)`)
		b.picture(scheme + "-end")
	}
	if ground["light"] == ground["dark"] || ground["dark"] == "" {
		b.Errorf("the ground is %v", ground)
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true})
	if b.eval(`document.documentElement.scrollWidth <= 390`) != "true" {
		b.Errorf("on a telephone the page is %s wide", b.eval(`document.documentElement.scrollWidth`))
	}
	b.picture("telephone")
}

// startBrowser starts a browser that ends with the test, and returns where its developer tools are.
func startBrowser(t *testing.T) (endpoint string) {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium is installed: the page is not driven in a browser")
	}
	profile, err := os.MkdirTemp("", "ebb-browser-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
		"--remote-debugging-port=0", "--remote-allow-origins=*", "--user-data-dir="+profile, "--window-size=1400,1000", "about:blank")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		os.Remove(profile)
		t.Skipf("Chromium is installed and does not start: %v", err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		// Processes that it has started write into the profile until they are gone too.
		for limit := time.Now().Add(time.Minute); os.RemoveAll(profile) != nil; runtime.Gosched() {
			if time.Now().After(limit) {
				t.Errorf("%s: Chromium is killed and still writes there", profile)
				break
			}
		}
	})
	said := bufio.NewScanner(stderr)
	for said.Scan() && endpoint == "" {
		_, endpoint, _ = strings.Cut(said.Text(), "DevTools listening on ")
	}
	if endpoint == "" {
		t.Skip("Chromium is installed and does not say where its developer tools are")
	}
	go func() {
		for said.Scan() { // until it ends
		}
	}()
	return endpoint
}
