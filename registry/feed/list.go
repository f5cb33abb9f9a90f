package feed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxName is the length in bytes of a name that becomes a part of a path.
const maxName = 256

// checkName refuses what is no plain name of one file: a name from a source
// becomes a part of a path and of an address.
func checkName(name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("a name of %d bytes", len(name))
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q has bytes that no name has", name)
	case strings.HasPrefix(name, "."), strings.ContainsAny(name, `/\`):
		return fmt.Errorf("%q is no name of a file", name)
	}
	return nil
}

// listing is what modified_id.csv says: the time of each record.
type listing map[string]time.Time

// newest is the latest time, zero of an empty list.
func (l listing) newest() time.Time {
	var out time.Time
	for _, t := range l {
		if t.After(out) {
			out = t
		}
	}
	return out
}

// parseList reads rows of modified,ID. One that can't be read makes the whole
// list unusable: what it doesn't name would otherwise pass for removed. An id
// that comes twice has the later of its times.
func parseList(r io.Reader) (listing, error) {
	out := listing{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSuffix(lines.Text(), "\r")
		if text == "" {
			continue
		}
		at, id, ok := strings.Cut(text, ",")
		if !ok {
			return nil, fmt.Errorf("line %d is no row of modified,ID", n)
		}
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q is no time", n, clip(at))
		}
		if err := checkName(id); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if old, twice := out[id]; !twice || t.After(old) {
			out[id] = t.UTC().Truncate(time.Microsecond)
		}
		if len(out) > maxRecords {
			return nil, fmt.Errorf("more than %d records", maxRecords)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("it is empty")
	}
	return out, nil
}

// parseNames reads ecosystems.txt, one name a line. The public list names the
// releases of a distribution ("Debian:12") beside it; those are part of it. Its
// GIT holds ranges of commits and names no package, so it is no ecosystem here.
// What is no name is returned apart.
func parseNames(r io.Reader) (names, refused []string, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name := strings.TrimSpace(lines.Text())
		base, _, _ := strings.Cut(name, ":")
		switch {
		case name == "" || name == "GIT" || strings.HasPrefix(name, "["): // "[EMPTY]" of the public list
		case checkName(base) != nil || base == KEV || base == EPSS:
			refused = append(refused, clip(name))
		default:
			names = append(names, base)
		}
		if len(names)+len(refused) > maxNames {
			return nil, nil, fmt.Errorf("more than %d ecosystems", maxNames)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), refused, lines.Err()
}

// clip keeps foreign text to a length that a report can hold.
func clip(text string) string { return text[:min(len(text), maxName)] }
