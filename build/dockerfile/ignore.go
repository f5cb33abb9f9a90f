package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Ignore is what keeps files of the build context from a build: a file
// X.dockerignore beside the Dockerfile X, or .dockerignore in its folder or
// one above, up to where the search began. Where a build's context begins
// isn't known: the nearest one is taken.
type Ignore struct {
	Name    string // as File.Name; empty where there is none
	matcher *patternmatcher.PatternMatcher
}

// Bounds of a .dockerignore, far above real ones.
const (
	maxIgnore   = 64 << 10 // bytes
	maxPatterns = 2_000
)

// ParseIgnore reads the text of a .dockerignore.
func ParseIgnore(name string, data []byte) (*Ignore, error) {
	if len(data) > maxIgnore {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxIgnore)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(patterns) > maxPatterns {
		return nil, fmt.Errorf("%s has more than %d patterns", name, maxPatterns)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return &Ignore{Name: name, matcher: matcher}, nil
}

// Excludes reports whether a source of COPY is certainly kept from the build.
// Where a pattern takes files back in, nothing is certain: they may lie below
// (dockerfile2llb, validateCopySourcePath).
func (i *Ignore) Excludes(source string) bool {
	if i == nil || i.matcher == nil || i.matcher.Exclusions() {
		return false
	}
	source = strings.TrimPrefix(path.Clean(source), "/")
	if source == "." || source == "" {
		for _, p := range i.matcher.Patterns() {
			if p.String() == "*" || p.String() == "**" || p.String() == "**/*" {
				return true
			}
		}
		return false
	}
	ok, err := i.matcher.MatchesOrParentMatches(source)
	return err == nil && ok
}

// findIgnore looks for the .dockerignore of a Dockerfile, whose name is that
// below root; label is what goes before it in names. Nil means that there is
// one that can't be read.
func findIgnore(root fs.FS, name, label string) *Ignore {
	candidates := []string{name + ".dockerignore"}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		candidates = append(candidates, path.Join(dir, ".dockerignore"))
		if dir == "." || dir == "/" {
			break
		}
	}
	for _, c := range candidates {
		data, err := readIgnore(root, c)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil
		}
		found, err := ParseIgnore(join(label, c), data)
		if err != nil {
			return nil
		}
		return found
	}
	return &Ignore{}
}

// readIgnore opens nothing but a regular file: a pipe might never end.
func readIgnore(root fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(root, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxIgnore+1))
}
