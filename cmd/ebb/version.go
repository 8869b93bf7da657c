package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// versionText is the line that "ebb version" prints: the version of the module, the commit that it was built from as far as that is known,
// and the Go that has built it.
func versionText(info *debug.BuildInfo) string {
	version, about := "(unknown)", []string(nil)
	if info != nil {
		version = info.Main.Version
		is := make(map[string]string)
		for _, s := range info.Settings {
			is[s.Key] = s.Value
		}
		if revision := is["vcs.revision"]; revision != "" {
			about = append(about, "commit "+revision[:min(12, len(revision))])
		}
		if is["vcs.time"] != "" {
			about = append(about, is["vcs.time"])
		}
		if is["vcs.modified"] == "true" {
			about = append(about, "modified")
		}
	}
	if version == "" {
		version = "(devel)"
	}
	about = append(about, runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH)
	return fmt.Sprintf("ebb %s (%s)\n", version, strings.Join(about, ", "))
}
