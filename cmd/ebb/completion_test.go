package main

import (
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// completionScript is what a shell is given.
func completionScript(t *testing.T, shell string) string {
	t.Helper()
	status, stdout, stderr := execute(t, "ebb", "completion", shell)
	if status != 0 || stderr != "" {
		t.Fatalf("%s: status %d, says %s", shell, status, stderr)
	}
	return stdout
}

// bash completes commands, flags of a command, and nothing where a file is wanted.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here:", err)
	}
	script := completionScript(t, "bash") + `
for line in "$@"; do
	COMP_WORDS=($line)
	[ "$line" = "${line% }" ] || COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_ebb
	echo "${COMPREPLY[*]}"
done`
	lines := []string{"ebb re", "ebb ver", "ebb send --conf", "ebb receive --max-s", "ebb send pho", "ebb help tun", "ebb nonsense --a", "ebb pipe -l"}
	out, err := exec.Command(bash, append([]string{"-uc", script, "bash"}, lines...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{"receive", "version", "--config", "--max-senders --max-senders-per-host --max-size", "", "tunnel", "", "-l"}
	if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); !slices.Equal(got, want) {
		t.Errorf("%q are completed to\n%q, want\n%q", lines, got, want)
	}
}

// The scripts of all shells have every command and every flag, and are such as the shell takes, if it is here.
func TestCompletionScripts(t *testing.T) {
	for shell, flag := range map[string]string{"bash": "--%", "zsh": "'*--%[", "fish": " -l % "} {
		script := completionScript(t, shell)
		for _, c := range completions(t.Context(), openEbb) {
			if len(c.flags) == 0 && c.name != "completion" || !strings.Contains(script, c.name) {
				t.Errorf("%s: %s has %d flags, or is not there", shell, c.name, len(c.flags))
			}
			for _, f := range c.flags {
				if form := strings.ReplaceAll(flag, "%", f.Name); !strings.Contains(script, form) {
					t.Errorf("%s: there is no %s of %s", shell, form, c.name)
				}
			}
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("the script is not tried: no %s here", shell)
			continue
		}
		cmd := exec.Command(path, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}

// ebb version is one line, with what is known of the build.
func TestVersion(t *testing.T) {
	for _, args := range []string{"version", "--version"} {
		status, stdout, stderr := execute(t, "ebb", args)
		if status != 0 || stderr != "" || !strings.HasPrefix(stdout, "ebb ") || strings.Count(stdout, "\n") != 1 {
			t.Errorf("%s: status %d, prints %q, says %q", args, status, stdout, stderr)
		}
	}
	info := &debug.BuildInfo{Main: debug.Module{Version: "v0.3.0"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.time", Value: "2026-11-29T00:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	if got := versionText(info); !strings.HasPrefix(got, "ebb v0.3.0 (commit 0123456789ab, 2026-11-29T00:00:00Z, modified, go") {
		t.Errorf("%q", got)
	}
	if got := versionText(nil); !strings.HasPrefix(got, "ebb (unknown) (go") {
		t.Errorf("without build information: %q", got)
	}
}

// ebb help COMMAND is that command's own help.
func TestHelpOfACommand(t *testing.T) {
	for _, cmd := range commands() {
		status, stdout, stderr := execute(t, "ebb", "help", cmd.name)
		_, own, _ := execute(t, "ebb", cmd.name, "-h")
		if status != 0 || stderr != "" || stdout != own || !strings.Contains(stdout, "usage: ebb "+cmd.name) {
			t.Errorf("%s: status %d, says %q, prints\n%s", cmd.name, status, stderr, stdout)
		}
		for line := range strings.Lines(stdout) {
			if len(line) > helpWidth+20 {
				t.Errorf("%s: a line of %d characters: %s", cmd.name, len(line), line)
			}
			if flag := strings.TrimSpace(line); strings.HasPrefix(flag, "-") {
				for _, kind := range []string{" int ", " uint ", " string ", " float "} {
					if name, _, _ := strings.Cut(flag, "   "); strings.HasSuffix(name+" ", kind) {
						t.Errorf("%s: %s is not what a person calls it", cmd.name, name)
					}
				}
			}
		}
	}
	checkUsage(t, []badUsage{
		{"help teleport", `"teleport"`},
		{"help send receive", `"receive"`},
		{"version 2", `"2"`},
		{"completion", "SHELL"},
		{"completion csh", "bash, zsh or fish"},
		{"id now", `"now"`},
		{"kernel --rounds 0", "--rounds"},
	})
}
