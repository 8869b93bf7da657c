package suites

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
)

// TestNATS: a server of NATS in this process and its clients, with Ebb between them: publishing, requests, and a stream that is kept.
func TestNATS(t *testing.T) {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	n := over(t, nil)
	l := n.Listen()
	forward(t, l, s.InProcessConn)
	connect := func() *nats.Conn {
		c, err := nats.Connect("nats://"+l.Addr().String(), nats.SetCustomDialer(ebbDialer(func(network, address string) (net.Conn, error) {
			return n.DialContext(within(t), network, address)
		})), nats.Timeout(patience))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	to, from := connect(), connect()
	t.Run("publish", func(t *testing.T) { natsPublish(t, from, to) })
	t.Run("request", func(t *testing.T) { natsRequest(t, from, to) })
	t.Run("jetstream", func(t *testing.T) { natsStream(t, from, to) })
}

// ebbDialer is a nats.CustomDialer.
type ebbDialer func(network, address string) (net.Conn, error)

func (d ebbDialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

func natsPublish(t *testing.T, from, to *nats.Conn) {
	sub, err := to.SubscribeSync("bulk")
	if err != nil {
		t.Fatal(err)
	}
	sub.SetPendingLimits(-1, -1)
	if err := to.Flush(); err != nil {
		t.Fatal(err)
	}
	count := size(1000, 20_000)
	for i := range count {
		if err := from.Publish("bulk", noise(uint64(i), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range count {
		m, err := sub.NextMsgWithContext(within(t))
		if err != nil || !bytes.Equal(m.Data, noise(uint64(i), 1000)) {
			t.Fatalf("message %d of %d: %v", i, count, err)
		}
	}
}

func natsRequest(t *testing.T, from, to *nats.Conn) {
	if _, err := to.Subscribe("double", func(m *nats.Msg) { m.Respond(append(m.Data, m.Data...)) }); err != nil {
		t.Fatal(err)
	}
	if err := to.Flush(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range size(100, 1000) {
		wg.Go(func() {
			m, err := from.RequestWithContext(within(t), "double", []byte(strconv.Itoa(i)))
			if err != nil || string(m.Data) != fmt.Sprintf("%d%d", i, i) {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

func natsStream(t *testing.T, from, to *nats.Conn) {
	js, err := from.JetStream(nats.MaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "kept", Subjects: []string{"kept.*"}}); err != nil {
		t.Fatal(err)
	}
	count := size(200, 2000)
	for i := range count {
		if _, err := js.PublishAsync("kept.x", noise(uint64(i), 500)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-within(t).Done():
		t.Fatal("not all is acknowledged")
	}
	reader, err := to.JetStream(nats.MaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := reader.SubscribeSync("kept.*", nats.OrderedConsumer())
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		m, err := sub.NextMsgWithContext(within(t))
		if err != nil || !bytes.Equal(m.Data, noise(uint64(i), 500)) {
			t.Fatalf("message %d of %d: %v", i, count, err)
		}
	}
}

// installed is a server's program; the test is skipped if there is none.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("skipped: %s is not installed", program)
	}
	return path
}

// started runs a server until the test ends; stop asks it to go. It waits for the server's socket.
func started(t *testing.T, command *exec.Cmd, socket string) (dial func() (net.Conn, error)) {
	t.Helper()
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		command.Process.Signal(os.Interrupt) // both take it as the end; an error: it has ended
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("%s does not end", command.Path)
			command.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s:\n%s", command.Path, &log)
		}
	})
	dial = func() (net.Conn, error) { return net.Dial("unix", socket) }
	for limit := time.After(patience); ; {
		c, err := dial()
		if err == nil {
			c.Close()
			return dial
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s: %v\n%s", command.Path, err, &log)
		case <-limit:
			t.Fatalf("%s does not begin: %v", command.Path, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestRedis: go-redis and a Redis server, with Ebb between them.
func TestRedis(t *testing.T) {
	path, dir := installed(t, "redis-server"), shortDir(t)
	socket := filepath.Join(dir, "redis")
	back := started(t, exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir), socket)
	n := over(t, nil)
	l := n.Listen()
	forward(t, l, back)
	client := redis.NewClient(&redis.Options{Addr: l.Addr().String(), Dialer: n.DialContext, ReadTimeout: patience, WriteTimeout: patience})
	t.Cleanup(func() { client.Close() })
	ctx := within(t)
	t.Run("values", func(t *testing.T) {
		for i, n := range []int{0, 1, 1000, size(1<<20, 16<<20)} {
			sent := noise(uint64(i), n)
			if err := client.Set(ctx, "key", sent, 0).Err(); err != nil {
				t.Fatal(err)
			}
			if got, err := client.Get(ctx, "key").Bytes(); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes of %d, %v", len(got), n, err)
			}
		}
		if err := client.Get(ctx, "nothing").Err(); !errors.Is(err, redis.Nil) {
			t.Errorf("a key that is not there: %v", err)
		}
	})
	t.Run("pipeline", func(t *testing.T) {
		count := size(1000, 50_000)
		answers, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for range count {
				p.Incr(ctx, "counter")
			}
			return nil
		})
		if err != nil || len(answers) != count || answers[count-1].(*redis.IntCmd).Val() != int64(count) {
			t.Errorf("%d answers of %d, %v", len(answers), count, err)
		}
	})
	t.Run("parallel", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range size(100, 2000) {
			wg.Go(func() {
				if got, err := client.Echo(ctx, i).Result(); err != nil || got != strconv.Itoa(i) {
					t.Errorf("echo of %d: %q, %v", i, got, err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("subscribe", func(t *testing.T) { redisSubscribe(t, ctx, client) })
}

func redisSubscribe(t *testing.T, ctx context.Context, client *redis.Client) {
	sub := client.Subscribe(ctx, "news")
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := client.Publish(ctx, "news", i).Err(); err != nil {
			t.Fatal(err)
		}
		if m, err := sub.ReceiveMessage(ctx); err != nil || m.Payload != strconv.Itoa(i) {
			t.Fatalf("message %d: %v, %v", i, m, err)
		}
	}
}

// shortDir is a directory whose name leaves room for that of a Unix socket (108 bytes).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ebb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// nobody is the user that PostgreSQL runs as where the test is root, whom it refuses.
const nobody = 65534

// TestPostgreSQL: pgx and a PostgreSQL server, with Ebb between them.
func TestPostgreSQL(t *testing.T) {
	initdb, postgres, dir := installed(t, "initdb"), installed(t, "postgres"), shortDir(t)
	own := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		own.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	setup := exec.Command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
	setup.SysProcAttr, setup.Dir = own, dir
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := exec.Command(postgres, "-D", data, "-k", dir, "-F", "-c", "listen_addresses=", "-c", "port=5432")
	server.SysProcAttr, server.Dir = own, dir
	back := started(t, server, filepath.Join(dir, ".s.PGSQL.5432"))
	n := over(t, nil)
	l := n.Listen()
	forward(t, l, back)
	config, err := pgxpool.ParseConfig(fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.DialFunc = n.DialContext
	ctx := within(t)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	for limit := time.After(patience); pool.Ping(ctx) != nil; { // it listens before it serves
		select {
		case <-limit:
			t.Fatal("the server does not answer")
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Run("query", func(t *testing.T) { pgQuery(t, ctx, pool) })
	t.Run("copy", func(t *testing.T) { pgCopy(t, ctx, pool) })
	t.Run("cancel", func(t *testing.T) { pgCancel(t, ctx, pool) })
	t.Run("notify", func(t *testing.T) { pgNotify(t, ctx, pool) })
}

// pgQuery: prepared statements by many connections at once, and large values.
func pgQuery(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
	var wg sync.WaitGroup
	for i := range size(50, 1000) {
		wg.Go(func() {
			var got int
			if err := pool.QueryRow(ctx, "select $1::int * 2", i).Scan(&got); err != nil || got != 2*i {
				t.Errorf("%d * 2 = %d, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	sent, got := noise(1, size(1<<20, 16<<20)), []byte(nil)
	if err := pool.QueryRow(ctx, "select $1::bytea", sent).Scan(&got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d, %v", len(got), len(sent), err)
	}
}

// pgCopy: rows by COPY in, and by a query back, in a transaction that is rolled back afterwards.
func pgCopy(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "create table rows (n int, b bytea)"); err != nil {
		t.Fatal(err)
	}
	count := size(2000, 50_000)
	n, err := tx.CopyFrom(ctx, pgx.Identifier{"rows"}, []string{"n", "b"}, pgx.CopyFromSlice(count, func(i int) ([]any, error) {
		return []any{i, noise(uint64(i), 200)}, nil
	}))
	if err != nil || n != int64(count) {
		t.Fatalf("COPY of %d rows: %d, %v", count, n, err)
	}
	rows, err := tx.Query(ctx, "select n, b from rows order by n")
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for ; rows.Next(); i++ {
		var n int
		var b []byte
		if err := rows.Scan(&n, &b); err != nil || n != i || !bytes.Equal(b, noise(uint64(i), 200)) {
			t.Fatalf("row %d is %d, %d bytes, %v", i, n, len(b), err)
		}
	}
	if err := rows.Err(); err != nil || i != count {
		t.Errorf("%d rows of %d, %v", i, count, err)
	}
}

// pgCancel: a query whose context ends, which pgx ends by a deadline of the connection.
func pgCancel(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := pool.Exec(short, "select pg_sleep(600)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a query that was given 100 ms: %v", err)
	}
	if err := pool.Ping(ctx); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// pgNotify: what the server says unasked.
func pgNotify(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
	c, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if _, err := c.Exec(ctx, "listen news"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, err := pool.Exec(ctx, "select pg_notify('news', $1)", strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Conn().WaitForNotification(ctx); err != nil || m.Payload != strconv.Itoa(i) {
			t.Fatalf("notification %d: %v, %v", i, m, err)
		}
	}
}
