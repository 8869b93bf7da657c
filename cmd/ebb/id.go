package main

import (
	"context"
	"fmt"

	"example.com/ebb/peerid"
)

// printID is the command id.
func printID(_ context.Context, c console, _ opener, args []string) error {
	fs := newFlagSet("id", "",
		`Prints our identity, by which others name this user's end of connections: 52 letters
and digits. They stand for an Ed25519 key in a file, which is made if it is not
there. Whoever has that file is us.`,
		`  ebb id
  ebb id --key gateway.pem
`)
	path := fs.String("key", "", keyHelp)
	if err := fs.parse(args, 0, 0); err != nil {
		return err
	}
	key, notes, err := loadKey(*path)
	for _, note := range notes {
		fmt.Fprintf(c.stderr, "ebb id: %s\n", note)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(c.stdout, peerid.IDOf(key))
	return nil
}
