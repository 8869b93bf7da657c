package purity

import (
	"regexp"
	"strings"
)

// A page that specifies something has rules: sentences that oblige somebody. Each has a label, [W1] and so on, and the
// tests that would fail if it were broken name that in a comment or in their own name.

var (
	// obliges finds the words in which rules are put. Names of packets and frames are in capitals.
	obliges = regexp.MustCompile(`\b(must|Must|may|May|never|Never|[Ee]rrors?|malformed|drop(s|ped)?|ignore(s|d)?|answer(s|ed)?|sends?|` +
		`accept(s|ed)?|acknowledge(s|d)?|carr(y|ies)|compares?|repeats?|repeated|refuse[sd]?|treated|yields?|aborted|` +
		`limited|bounded|padded|gives up)\b`)
	ruleLabel   = regexp.MustCompile(`\[W[0-9]+\]`)
	sentenceEnd = regexp.MustCompile("[.:;]\\s+([A-Z0-9`\\[*])")
)

// ruleSentences are the sentences of a page in Markdown, without its tables, headings and code.
func ruleSentences(page string) (all []string) {
	var paragraph []string
	end := func() {
		text := strings.Join(paragraph, " ")
		paragraph = nil
		for {
			m := sentenceEnd.FindStringSubmatchIndex(text)
			if m == nil {
				break
			}
			all = append(all, text[:m[0]+1])
			text = text[m[2]:]
		}
		if text != "" {
			all = append(all, text)
		}
	}
	code := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		fence := strings.HasPrefix(line, "```")
		if fence {
			code = !code
		}
		if fence || code || line == "" || line[0] == '|' || line[0] == '#' {
			end()
			continue
		}
		if strings.HasPrefix(line, "- ") {
			end()
		}
		paragraph = append(paragraph, strings.TrimPrefix(line, "- "))
	}
	end()
	return all
}

// unlabelled are the sentences of a page that oblige somebody and have no label.
func unlabelled(page string) (found []string) {
	for _, s := range ruleSentences(page) {
		if obliges.MatchString(s) && !ruleLabel.MatchString(s) {
			found = append(found, s)
		}
	}
	return found
}
