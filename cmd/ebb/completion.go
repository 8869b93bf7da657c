package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// printCompletion is the command completion.
func printCompletion(ctx context.Context, c console, open opener, args []string) error {
	fs := newFlagSet("completion", "SHELL",
		`Prints a script with which a shell completes commands and flags. SHELL is bash, zsh or
fish. Arguments are completed as file names.`,
		`  source <(ebb completion bash)                                       in ~/.bashrc
  source <(ebb completion zsh)                                        in ~/.zshrc, after compinit
  ebb completion fish > ~/.config/fish/completions/ebb.fish
`)
	if err := fs.parse(args, 1, 1); err != nil {
		return err
	}
	print, ok := map[string]func(io.Writer, []completed){"bash": completeBash, "zsh": completeZsh, "fish": completeFish}[fs.Arg(0)]
	if !ok {
		return usageErrorf("there is no script for %q: want bash, zsh or fish", fs.Arg(0))
	}
	var b strings.Builder
	print(&b, completions(ctx, open))
	_, err := io.WriteString(c.stdout, b.String())
	return err
}

// completed is a command as a shell knows it.
type completed struct {
	name, summary string
	flags         []*pflag.Flag
}

// completions is all commands with their flags, which each of them tells who asks for its help.
func completions(ctx context.Context, open opener) (all []completed) {
	for _, cmd := range commands() {
		one := completed{name: cmd.name, summary: cmd.summary}
		var help *helpRequest
		if err := cmd.run(ctx, console{}, open, []string{"-h"}); errors.As(err, &help) && help.flags != nil {
			help.flags.VisitAll(func(f *pflag.Flag) { one.flags = append(one.flags, f) })
		}
		all = append(all, one)
	}
	return all
}

// names is the names of commands, or the flags of one as they are typed.
func names(all []completed) (words []string) {
	for _, c := range all {
		words = append(words, c.name)
	}
	return words
}

func (c completed) options() (words []string) {
	for _, f := range c.flags {
		if f.Shorthand != "" {
			words = append(words, "-"+f.Shorthand)
		}
		words = append(words, "--"+f.Name)
	}
	return append(words, "-h", "--help")
}

// explain is a flag's help on one line, and what its value is called; "": it has none.
func explain(f *pflag.Flag) (help, value string) {
	value, help = pflag.UnquoteUsage(f)
	return strings.Join(strings.Fields(help), " "), value
}

func completeBash(w io.Writer, all []completed) {
	fmt.Fprintf(w, `_ebb() {
	local word=${COMP_WORDS[COMP_CWORD]} words=
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="%s"
	else
		case ${COMP_WORDS[1]} in
		help) words="%[1]s" ;;
`, strings.Join(append(names(all), "help", "version"), " "))
	for _, c := range all {
		fmt.Fprintf(w, "\t\t%s) words=\"%s\" ;;\n", c.name, strings.Join(c.options(), " "))
	}
	io.WriteString(w, `		esac
		case ${COMP_WORDS[1]} in
		help) ;;
		*) case $word in -*) ;; *) words= ;; esac ;;
		esac
	fi
	[ -z "$words" ] || COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _ebb ebb
`)
}

func completeZsh(w io.Writer, all []completed) {
	quote := func(s string) string { return strings.ReplaceAll(s, "'", `'\''`) }
	inBrackets := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, `\`, `\\`, ":", `\:`)
	io.WriteString(w, "#compdef ebb\n_ebb() {\n\tlocal -a commands=(\n")
	for _, c := range append(all, completed{name: "help", summary: "print help"}, completed{name: "version", summary: "print the version"}) {
		fmt.Fprintf(w, "\t\t'%s:%s'\n", c.name, quote(c.summary))
	}
	io.WriteString(w, "\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tlocal command=$words[2]\n"+
		"\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n\thelp) _describe command commands ;;\n")
	for _, c := range all {
		fmt.Fprintf(w, "\t%s) _arguments", c.name)
		for _, f := range c.flags {
			help, value := explain(f)
			if f.NoOptDefVal == "" {
				value = ":" + inBrackets.Replace(value) + ":_files"
			} else {
				value = ""
			}
			fmt.Fprintf(w, " \\\n\t\t'*--%s[%s]%s'", f.Name, inBrackets.Replace(help), value)
		}
		io.WriteString(w, " \\\n\t\t'*:file:_files' ;;\n")
	}
	io.WriteString(w, "\tesac\n}\ncompdef _ebb ebb\n")
}

func completeFish(w io.Writer, all []completed) {
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	for _, c := range append(all, completed{name: "help", summary: "print help"}, completed{name: "version", summary: "print the version"}) {
		fmt.Fprintf(w, "complete -c ebb -n __fish_use_subcommand -f -a %s -d '%s'\n", c.name, quote.Replace(c.summary))
		for _, f := range c.flags {
			help, _ := explain(f)
			fmt.Fprintf(w, "complete -c ebb -n '__fish_seen_subcommand_from %s' -l %s", c.name, f.Name)
			if f.Shorthand != "" {
				fmt.Fprintf(w, " -s %s", f.Shorthand)
			}
			if f.NoOptDefVal == "" {
				io.WriteString(w, " -r")
			}
			fmt.Fprintf(w, " -d '%s'\n", quote.Replace(help))
		}
	}
}
