package config

import (
	"fmt"
	"path"
	"strings"
)

// maxExclude bounds the patterns of exclude: nobody reads more.
const maxExclude = 1000

// Excluded finds the first pattern of exclude that matches a path below the
// estate's root, in slashes. A folder that matches takes all below it along.
func (c *Config) Excluded(name string) (pattern string, ok bool) {
	for _, p := range c.Exclude {
		if matchPath(segments(p), strings.Split(name, "/")) {
			return p, true
		}
	}
	return "", false
}

// segments splits a pattern at its slashes; one that ends with a slash means
// the folder.
func segments(pattern string) []string {
	return strings.Split(strings.TrimSuffix(path.Clean(pattern), "/"), "/")
}

// matchPath matches a path against a pattern, segment by segment. ** stands for
// any number of segments, none among them; the rest is as in path.Match. Only
// the last ** is tried again, so the time is at most the product of the
// lengths.
func matchPath(pattern, name []string) bool {
	star, from := -1, 0
	for i, k := 0, 0; i < len(name) || k < len(pattern); {
		switch {
		case k < len(pattern) && pattern[k] == "**":
			star, from = k, i
			k++
		case k < len(pattern) && i < len(name) && matchSegment(pattern[k], name[i]):
			i, k = i+1, k+1
		case star >= 0 && from < len(name):
			from++
			i, k = from, star+1
		default:
			return false
		}
	}
	return true
}

func matchSegment(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// checkExclude wants patterns that can be read and stay below the estate.
func (c *Config) checkExclude(complain func(string, ...any)) {
	if len(c.Exclude) > maxExclude {
		complain("exclude: %d patterns, more than %d", len(c.Exclude), maxExclude)
	}
	for i, p := range c.Exclude {
		if err := checkPattern(p); err != nil {
			complain("exclude[%d]: pattern %q %w", i, p, err)
		}
	}
}

func checkPattern(pattern string) error {
	if pattern == "" || path.Clean(pattern) == "." {
		return fmt.Errorf("leaves nothing: name what is to be left out")
	}
	if path.IsAbs(pattern) || strings.Contains(pattern, `\`) {
		return fmt.Errorf("is no path below the estate, with slashes")
	}
	for _, s := range strings.Split(pattern, "/") {
		if s == ".." {
			return fmt.Errorf("leaves the estate")
		}
		if s != "**" && strings.Contains(s, "**") {
			return fmt.Errorf("has ** beside other letters: it stands for whole folders, as in **/%s", strings.ReplaceAll(s, "**", "*"))
		}
		if _, err := path.Match(s, ""); err != nil {
			return fmt.Errorf("can't be read: %w", err)
		}
	}
	return nil
}
