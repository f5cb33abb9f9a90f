package image

import (
	"bytes"
	"strings"
)

// parsePython reads the metadata of an installed distribution: "Name: value"
// headers up to a blank line (core metadata specification; PEP 314 for older
// ones). Of a header that occurs twice the first counts, as for pip.
func parsePython(data []byte) ([]Package, []note) {
	var name, version string
	for line := range bytes.Lines(trimBOM(data)) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue // the rest of a description that somebody forgot to indent
		}
		text := string(bytes.TrimSpace(value))
		switch strings.ToLower(string(key)) {
		case "name":
			if name == "" {
				name = text
			}
		case "version":
			if version == "" {
				version = text
			}
		}
		if name != "" && version != "" {
			break
		}
	}
	if !plainField(name) || !plainField(version) {
		return nil, []note{{"", "metadata of Python without a usable Name and Version"}}
	}
	return []Package{{Name: name, Version: version, Source: NormalPython(name), SourceVersion: version, Ecosystem: "PyPI"}}, nil
}

// NormalPython is the name as the index compares it: lower case, and one
// hyphen for each run of ".", "-" and "_" (PEP 503).
func NormalPython(name string) string {
	var out strings.Builder
	run := false
	for _, c := range []byte(strings.ToLower(name)) {
		if c == '-' || c == '_' || c == '.' {
			run = true
			continue
		}
		if run {
			out.WriteByte('-')
			run = false
		}
		out.WriteByte(c)
	}
	if run {
		out.WriteByte('-')
	}
	return out.String()
}

// parseEgg reads a zipped distribution, which Python imports as it is.
func parseEgg(a *archive, b *spooled) *found {
	f := &found{kind: foundEgg}
	files, err := a.open(b)
	if err != nil {
		f.notes = []note{{"", "as a zip archive: " + err.Error()}}
		return f
	}
	for _, file := range files {
		if file.Name != "EGG-INFO/PKG-INFO" {
			continue
		}
		text, err := a.read(file, maxMetadata)
		if err != nil {
			f.notes = []note{{"", "its EGG-INFO/PKG-INFO: " + err.Error()}}
			return f
		}
		f.packages, f.notes = parsePython(text)
		return f
	}
	f.notes = []note{{"", "a Python egg without EGG-INFO/PKG-INFO"}}
	return f
}
