package splice

import (
	"bytes"
	"strings"
)

// Document is one document of a YAML stream: the bytes [Start, End) of the
// text. Before counts the lines above it.
type Document struct {
	Start, End int
	Before     int
}

// Split cuts a stream at its "---" lines, so that one broken document doesn't
// take the others with it. A part that holds only comments, directives and
// blank lines joins the next one; at the end of the text it is no document.
func Split(text []byte) []Document {
	var docs []Document
	start, startLine, line := 0, 0, 0
	content := false
	for at := 0; at < len(text); line++ {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text)
		} else {
			end += at + 1
		}
		row := text[at:end]
		if isSeparator(row) && content {
			docs = append(docs, Document{start, at, startLine})
			start, startLine, content = at, line, false
		}
		content = content || hasContent(row)
		at = end
	}
	if content {
		docs = append(docs, Document{start, len(text), startLine})
	}
	return docs
}

func isSeparator(row []byte) bool {
	rest, found := bytes.CutPrefix(row, []byte("---"))
	return found && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0)
}

func hasContent(row []byte) bool {
	if isSeparator(row) {
		row = row[3:]
	}
	trimmed := bytes.TrimSpace(row)
	return len(trimmed) > 0 && trimmed[0] != '#' && row[0] != '%'
}
