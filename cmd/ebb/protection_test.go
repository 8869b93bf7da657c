package main

import "testing"

// Nothing is sent to nobody in particular: who has to be there is named, or nothing is protected at all.
func TestProtectionUsage(t *testing.T) {
	checkUsage(t, []badUsage{
		{"tunnel --listen :8080 --to host:1", `"ebb tunnel --accept" prints it`},
		{"tunnel --listen :8080 --plain --to " + somebody + "@host:1", "one of the two"},
		{"tunnel --listen :8080 --peer " + somebody + " --to " + somebody + "@host:1", "for who accepts"},
		{"tunnel --accept :4000 --forward a:1 --peer me", "52 letters"},
		{"send file host:1", `want ID@host:1, as "ebb receive" prints it at the other end (or --plain`},
		{"send file me@host:1", `"me" is not an identity`},
		{"send file " + somebody + "@host", `"host"`},
		{"send file --plain " + somebody + "@host:1", "one of the two"},
		{"send --peer " + somebody + " file host:1", "--peer"},
		{"send --key= file host:1", "--key"},
		{"receive --plain --peer " + somebody + " :0 dir", "exclude each other"},
		{"receive --plain=maybe :0 dir", "--plain"},
		{"pipe localhost:1", `"ebb pipe -l" prints it`},
		{"pipe --peer " + somebody + " " + somebody + "@localhost:1", "for who accepts"},
	})
}
