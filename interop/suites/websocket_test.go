package suites

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// TestWebSocket: github.com/coder/websocket over net/http's upgrade, with and without compression.
func TestWebSocket(t *testing.T) {
	for name, mode := range map[string]websocket.CompressionMode{
		"plain": websocket.CompressionDisabled, "compressed": websocket.CompressionContextTakeover,
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			w := serveWeb(t, over(t, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode})
				if err != nil {
					t.Error(err)
					return
				}
				c.SetReadLimit(1 << 30)
				ended <- repeatMessages(r, c)
			}))
			c, _, err := websocket.Dial(within(t), strings.Replace(w.url, "http", "ws", 1), &websocket.DialOptions{
				HTTPClient: &http.Client{Transport: w.client.Transport}, CompressionMode: mode,
			})
			if err != nil {
				t.Fatal(err)
			}
			c.SetReadLimit(1 << 30)
			converses(t, c)
			if err := c.Close(websocket.StatusNormalClosure, "enough"); err != nil {
				t.Error(err)
			}
			var closed websocket.CloseError
			if err := <-ended; !errors.As(err, &closed) || closed.Code != websocket.StatusNormalClosure || closed.Reason != "enough" {
				t.Errorf("the server saw the end as %v", err)
			}
		})
	}
}

func repeatMessages(r *http.Request, c *websocket.Conn) error {
	for {
		kind, b, err := c.Read(r.Context())
		if err != nil {
			return err
		}
		if err := c.Write(r.Context(), kind, b); err != nil {
			return err
		}
	}
}

// converses exchanges messages of each kind, and pings.
func converses(t *testing.T, c *websocket.Conn) {
	t.Helper()
	ctx := within(t)
	for i, n := range []int{0, 1, 125, 126, 65535, 65536, size(1<<20, 16<<20)} {
		sent := noise(uint64(i), n)
		if i%2 == 1 {
			sent = bytes.Repeat([]byte{'a'}, n)
		}
		failed := make(chan error, 1)
		go func() { failed <- c.Write(ctx, websocket.MessageBinary, sent) }()
		kind, got, err := c.Read(ctx)
		if err != nil || kind != websocket.MessageBinary || !bytes.Equal(got, sent) {
			t.Fatalf("a message of %d bytes: %d came back, %v", n, len(got), err)
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	for i := range size(100, 2000) {
		if err := wsjson.Write(ctx, c, i); err != nil {
			t.Fatal(err)
		}
		var got int
		if err := wsjson.Read(ctx, c, &got); err != nil || got != i {
			t.Fatalf("message %d: %d, %v", i, got, err)
		}
	}
	c.CloseRead(ctx) // somebody has to read for a ping
	for range 10 {
		if err := c.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
