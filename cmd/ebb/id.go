package main

import (
	"context"
	"fmt"

	"example.com/ebb/peerid"
)

// printID is the command id.
func printID(_ context.Context, c console, _ opener, args []string) error {
	fs := newFlagSet("id", "",
		`Prints your identity: the 52 letters and digits by which others know your end of a
connection. They are derived from an Ed25519 key in a file, which is created if it does
not exist. Keep that file secret: whoever has it can pose as you.`,
		`  ebb id
  ebb id --key gateway.pem
`)
	path := fs.String("key", "", keyHelp)
	if err := fs.parse(args, 0, 0); err != nil {
		return err
	}
	key, notes, err := loadKey(*path)
	for _, note := range notes {
		tell(c.stderr, "id", "%s", note)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(c.stdout, peerid.IDOf(key))
	return nil
}
