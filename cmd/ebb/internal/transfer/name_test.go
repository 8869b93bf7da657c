package transfer

import (
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	allowed := []string{
		"a", "photo.jpg", ".profile", "two words", "naïve – 名.txt", "...", "comet", "com", "COM10", "lpt", "console.log",
		"nulls", strings.Repeat("x", 255), "a-b", "نامه\u200cها.txt", "\U0001f469\u200d\U0001f52c", "no\u00a0break",
	}
	for _, name := range allowed {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v, want nil", name, err)
		}
	}
	refused := []string{
		"", ".", "..", "/", "/etc/passwd", "../x", "a/b", "a/", `a\b`, `\\host\share`, `..\x`, "C:", "c:x", "a\x00b", "a\nb",
		"\x1b[2J", "a\u0085b", "\xff", "a\xc0\xafb", strings.Repeat("x", 256),
		"NUL", "nul.txt", "Con", "aux.tar.gz", "prn ", "COM1", "com9.log", "LPT0", "COM²", "conin$", "NUL:x", "a" + PartialSuffix,
		"-rf", "--help", "fdp.\u202egnp", "a\u200eb", "a\u061cb", "a\u2066b", "a\u200bb", "\ufeffa", "soft\u00adhyphen", "a\u200db", "a\u2028b", "tag\U000e0041",
	}
	for _, name := range refused {
		if CheckName(name) == nil {
			t.Errorf("CheckName(%q) = nil, want an error", name)
		}
	}
}
