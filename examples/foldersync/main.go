// Command foldersync makes one folder like another, over several connections that share one budget.
//
//	foldersync serve localhost:9000 source 2000000      at most 2 MB/s, however many fetch
//	foldersync fetch localhost:9000 copy
//
// Every file that the copy lacks, or that differs, is fetched over a connection of its own, four at a time. What the copy has more is
// left alone. The connections are not encrypted: see Config.TLS and the example https for that.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path"
	"strconv"
	"sync"
	"time"

	"example.com/ebb"
	"example.com/ebb/pool"
)

const (
	atOnce     = 4           // connections of one that fetches
	patience   = time.Minute // for the other side to do something
	maxList    = 64 << 20    // bytes of the list of files
	maxRequest = 4096
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err = errors.Join(err, ebb.Drain(last)); err != nil {
		fmt.Fprintln(os.Stderr, "foldersync:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	switch {
	case len(args) == 4 && args[0] == "serve":
		rate, err := strconv.ParseInt(args[3], 10, 64)
		if err != nil {
			return err
		}
		return serve(ctx, args[1], args[2], rate, out)
	case len(args) == 3 && args[0] == "fetch":
		return fetch(ctx, args[1], args[2], out)
	}
	return errors.New("usage: foldersync serve ADDRESS FOLDER BYTES_PER_SECOND | fetch ADDRESS FOLDER")
}

// file is one of the list. The name has slashes, whatever the system.
type file struct {
	Name string
	Size int64
	Hash string // SHA-256 of the content, in hexadecimal
}

// list is every regular file of a folder.
func list(root *os.Root) (files []file, err error) {
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := describe(root, name)
		if err == nil {
			files = append(files, f)
		}
		return err
	})
	return files, err
}

func describe(root *os.Root, name string) (file, error) {
	f, err := root.Open(name)
	if err != nil {
		return file{}, err
	}
	defer f.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	return file{name, size, hex.EncodeToString(hash.Sum(nil))}, err
}

// serve gives a folder away until the context is done, at a rate that all connections share.
func serve(ctx context.Context, address, folder string, rate int64, out io.Writer) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	budget, err := pool.New(rate, 0)
	if err != nil {
		return err
	}
	lc := &ebb.ListenConfig{Config: &ebb.Config{Pool: budget}}
	l, err := lc.Listen(ctx, "udp", address)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "serving on", l.Addr())
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var answers sync.WaitGroup
	defer answers.Wait()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		answers.Go(func() {
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })
			defer stop()
			if err := answer(root, c.(*ebb.Conn)); err != nil {
				c.(*ebb.Conn).Abort() // the other side must not take what it has for the whole
			}
		})
	}
}

// answer reads one line: the name of a file, or nothing, which asks for the list. The file or the list follows, and the end of the stream.
func answer(root *os.Root, c *ebb.Conn) error {
	c.SetReadDeadline(time.Now().Add(patience))
	line, err := bufio.NewReader(io.LimitReader(c, maxRequest)).ReadString('\n')
	if err != nil {
		return err
	}
	if name := line[:len(line)-1]; name != "" {
		f, err := root.Open(name) // which leads nowhere outside the folder
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(c, f)
		return err
	}
	files, err := list(root)
	if err != nil {
		return err
	}
	return json.NewEncoder(c).Encode(files)
}

// ask sends a request and returns the connection, on which the answer comes.
func ask(ctx context.Context, address, name string) (net.Conn, error) {
	c, err := ebb.DialContext(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, name+"\n"); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// fetch makes a folder like that of the server, and prints what it did.
func fetch(ctx context.Context, address, folder string, out io.Writer) error {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	c, err := ask(ctx, address, "")
	if err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(patience))
	var files []file
	err = json.NewDecoder(io.LimitReader(c, maxList)).Decode(&files)
	c.Close()
	if err != nil {
		return fmt.Errorf("the list of files: %w", err)
	}
	var (
		fetching sync.WaitGroup
		mu       sync.Mutex // guards what follows
		errs     []error
		fetched  int
		bytes    int64
	)
	places := make(chan struct{}, atOnce)
	for _, f := range files {
		if have, err := describe(root, f.Name); err == nil && have == f {
			continue
		}
		places <- struct{}{}
		fetching.Go(func() {
			defer func() { <-places }()
			err := fetchFile(ctx, address, root, f)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("%q: %w", f.Name, err))
				return
			}
			fetched++
			bytes += f.Size
		})
	}
	fetching.Wait()
	fmt.Fprintf(out, "%d files, %d of them fetched, %d bytes\n", len(files), fetched, bytes)
	return errors.Join(errs...)
}

// fetchFile writes beside the file and renames when the content is whole and what the list has said.
func fetchFile(ctx context.Context, address string, root *os.Root, f file) error {
	c, err := ask(ctx, address, f.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := root.MkdirAll(path.Dir(f.Name), 0o777); err != nil {
		return err
	}
	part := f.Name + ".part"
	w, err := root.Create(part)
	if err != nil {
		return err
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, hash), io.LimitReader(moving{c}, f.Size+1))
	err = errors.Join(err, w.Close())
	if err == nil && (n != f.Size || hex.EncodeToString(hash.Sum(nil)) != f.Hash) {
		err = errors.New("it is not what the list says: it has changed meanwhile")
	}
	if err != nil {
		return errors.Join(err, root.Remove(part))
	}
	return root.Rename(part, f.Name)
}

// moving is a connection of which every Read has its time.
type moving struct{ net.Conn }

func (m moving) Read(b []byte) (int, error) {
	m.SetReadDeadline(time.Now().Add(patience))
	return m.Conn.Read(b)
}
