package lint

import (
	"regexp"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
)

// matchGlob reports whether text matches a pattern in which * is any text
// without a slash and ** any text.
func matchGlob(pattern, text string) bool {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.ReplaceAll(quoted, `\*\*`, `.*`)
	quoted = strings.ReplaceAll(quoted, `\*`, `[^/]*`)
	re, err := regexp.Compile(`\A` + quoted + `\z`)
	return err == nil && re.MatchString(text)
}

// allowed reports whether an image is on a list.
func allowed(list []string, ref *dockerfile.Reference) bool {
	for _, pattern := range list {
		for _, name := range shortNames(ref) {
			text := name
			last := pattern[strings.LastIndex(pattern, "/")+1:]
			switch {
			case strings.Contains(last, "@"):
				text += suffix(ref, true)
			case strings.Contains(last, ":"):
				text += suffix(ref, false)
			}
			if matchGlob(pattern, text) {
				return true
			}
		}
	}
	return false
}

func suffix(ref *dockerfile.Reference, digest bool) string {
	s := ""
	if ref.Tag != "" {
		s = ":" + ref.Tag
	}
	if digest && ref.Digest != "" {
		s += "@" + ref.Digest
	}
	return s
}

// shortNames are the ways to write a name: in full, and on Docker Hub short.
func shortNames(ref *dockerfile.Reference) []string {
	names := []string{ref.Name()}
	if ref.Registry == "docker.io" {
		names = append(names, ref.Repository)
		if short, ok := strings.CutPrefix(ref.Repository, "library/"); ok {
			names = append(names, short)
		}
	}
	return names
}
