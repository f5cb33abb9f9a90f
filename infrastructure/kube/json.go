package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonScan reads a stream of JSON values. The items of a list are decoded one
// by one, so that a truncated dump keeps those before the break.
type jsonScan struct {
	text    []byte
	decoder *json.Decoder
	counted int // offset up to which lines are counted
	line    int // line of that offset, from 1
}

func scanJSON(file string, text []byte) scan {
	var s scan
	if marks(text) > maxMarks*4 { // values of JSON cost a quarter of YAML nodes
		s.fail(file, 1, fmt.Sprintf("more than %d values: not read", maxMarks*4))
		return s
	}
	j := &jsonScan{text: text, decoder: json.NewDecoder(bytes.NewReader(text)), line: 1}
	j.decoder.UseNumber()
	for {
		doc, err := j.document()
		if errors.Is(err, io.EOF) {
			return s
		}
		if err != nil {
			if doc.cut && len(doc.itemLines) > 0 {
				s.docs = append(s.docs, doc)
			}
			s.fail(file, j.errorLine(err), "not readable as JSON: "+jsonWhy(err))
			return s
		}
		s.docs = append(s.docs, doc)
	}
}

// jsonWhy words an error without the text around it.
func jsonWhy(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "the text ends inside a value"
	}
	return err.Error()
}

func (j *jsonScan) errorLine(err error) int {
	offset := int(j.decoder.InputOffset())
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax) && int(syntax.Offset) > offset:
		offset = int(syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		offset = len(j.text)
	}
	return j.lineAt(offset)
}

// lineAt returns the line of an offset; offsets must not fall.
func (j *jsonScan) lineAt(offset int) int {
	offset = min(offset, len(j.text))
	if offset > j.counted {
		j.line += bytes.Count(j.text[j.counted:offset], []byte("\n"))
		j.counted = offset
	}
	return j.line
}

// next returns the line of the next value.
func (j *jsonScan) next() int {
	at := int(j.decoder.InputOffset())
	for at < len(j.text) && bytes.IndexByte([]byte(" \t\r\n,:"), j.text[at]) >= 0 {
		at++
	}
	return j.lineAt(at)
}

// document reads one top-level value. io.EOF means that there is none.
func (j *jsonScan) document() (document, error) {
	doc := document{line: j.next()}
	token, err := j.decoder.Token()
	if err != nil {
		return doc, err
	}
	switch token {
	case json.Delim('['):
		doc.raw = map[string]any{}
		return doc, unexpected(j.items(&doc))
	case json.Delim('{'):
		doc.raw = map[string]any{}
		return doc, unexpected(j.fields(&doc))
	default:
		return doc, nil
	}
}

// unexpected makes the end of the text inside a value an error of its own.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (j *jsonScan) fields(doc *document) error {
	for j.decoder.More() {
		token, err := j.decoder.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if key == "items" && j.peek() == '[' {
			if _, err := j.decoder.Token(); err != nil {
				return err
			}
			if err := j.items(doc); err != nil {
				return err
			}
			continue
		}
		value, err := j.value()
		if err != nil {
			doc.cut = doc.cut || len(doc.itemLines) > 0
			return err
		}
		doc.raw[key] = value
	}
	_, err := j.decoder.Token()
	if err != nil {
		doc.cut = len(doc.itemLines) > 0
	}
	return err
}

// peek returns the first byte of the next value.
func (j *jsonScan) peek() byte {
	at := int(j.decoder.InputOffset())
	for at < len(j.text) && bytes.IndexByte([]byte(" \t\r\n:"), j.text[at]) >= 0 {
		at++
	}
	if at == len(j.text) {
		return 0
	}
	return j.text[at]
}

func (j *jsonScan) items(doc *document) error {
	list := []any{}
	doc.itemLines = nil
	for j.decoder.More() {
		line := j.next()
		value, err := j.value()
		if err != nil {
			doc.cut = true
			return err
		}
		list = append(list, value)
		doc.itemLines = append(doc.itemLines, line)
		doc.raw["items"] = list
	}
	doc.raw["items"] = list
	_, err := j.decoder.Token()
	if err != nil {
		doc.cut = true
	}
	return err
}

func (j *jsonScan) value() (any, error) {
	var v any
	if err := j.decoder.Decode(&v); err != nil {
		return nil, err
	}
	return numbers(v, 0)
}

var errDepth = fmt.Errorf("nested deeper than %d levels", maxDepth)

// numbers replaces each json.Number by an int64 or a float64, in place.
func numbers(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	var err error
	switch t := v.(type) {
	case map[string]any:
		for k, x := range t {
			if t[k], err = numbers(x, depth+1); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, x := range t {
			if t[i], err = numbers(x, depth+1); err != nil {
				return nil, err
			}
		}
	case json.Number:
		if i, err := t.Int64(); err == nil {
			return i, nil
		}
		return t.Float64()
	}
	return v, nil
}
