package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
)

const (
	// auditSection holds what cargo-auditable built in: a JSON document,
	// compressed with zlib.
	auditSection = ".dep-v0"
	// maxAudit is in bytes, unpacked: a program of 1,000 crates has 150,000.
	maxAudit = 2 << 20
	// maxCrates is the number of crates of one program that are read.
	maxCrates = 8192
)

// rustMark is the place of the standard library in the messages of Rust's
// panics, which stays where a program is stripped: below the commit of the
// official compiler, or below the release where a distribution built it.
var (
	rustMark = []byte("/rustc")
	rustForm = regexp.MustCompile(`^/rustc(/[0-9a-f]{40}|-1\.[0-9.]{1,12})/library/`)
)

// unaudited names, in what is said of an image, the crates of Rust programs
// without audit data.
const unaudited = "crates.io in programs without audit data"

// rust returns the crates of an executable with audit data, that there are
// some for a program without, nil for anything else. A mere library without is
// no more than a part of what it was installed with, as one in C would be.
func (r *elfReader) rust(f *elfFile, o *object, sum string) *found {
	if data := f.section(auditSection); data != nil {
		text, err := r.archive.inflate(data, maxAudit)
		if err != nil {
			return &found{kind: foundUnread, notes: []note{{"", "its audit data of Rust: " + err.Error()}}}
		}
		return parseAudit(text, sum)
	}
	if o.program && isRust(f.body) {
		return &found{kind: foundLanguage, language: unaudited}
	}
	return nil
}

// isRust reports whether an executable holds Rust's mark.
func isRust(b *spooled) bool {
	const longest = 64 // bytes of rustForm, at the most
	for _, part := range b.windows(longest) {
		for {
			at := bytes.Index(part, rustMark)
			if at < 0 {
				break
			}
			if rustForm.Match(part[at:min(len(part), at+longest)]) {
				return true
			}
			part = part[at+len(rustMark):]
		}
	}
	return false
}

// parseAudit reads the document of cargo-auditable ("JSON schema"). Crates of
// kind build ran in the compiler's place and are in no program. What came from
// elsewhere than crates.io (a folder, a git repository) counts by its name as
// well, the program's own crate included: tools that people install are
// crates, and a changed copy has the flaws of what it was copied from. sum is
// the program's.
func parseAudit(data []byte, sum string) *found {
	var doc struct {
		Packages []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			Kind    string `json:"kind"`
			Root    bool   `json:"root"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return &found{kind: foundUnread, notes: []note{{"", "its audit data of Rust: " + err.Error()}}}
	}
	f := &found{kind: foundRust}
	if len(doc.Packages) == 0 {
		f.notes = append(f.notes, note{"", "its audit data of Rust names no crates"})
	}
	if len(doc.Packages) > maxCrates {
		f.notes = append(f.notes, note{"", fmt.Sprintf("%d crates, read up to %d", len(doc.Packages), maxCrates)})
		doc.Packages = doc.Packages[:maxCrates]
	}
	for _, c := range doc.Packages {
		if c.Kind == "build" {
			continue
		}
		if !plainField(c.Name) || !plainField(c.Version) {
			f.notes = append(f.notes, note{"", "a crate without a usable name and version"})
			continue
		}
		p := Package{Name: c.Name, Version: c.Version, Source: c.Name, SourceVersion: c.Version, Ecosystem: "crates.io"}
		if c.Root {
			p.SHA256 = sum
		}
		f.packages = append(f.packages, p)
	}
	f.notes = boundNotes(f.notes)
	return f
}
