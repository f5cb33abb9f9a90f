package sbom

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/scantling/scantling/registry/image"
)

// Bounds on one document.
const (
	// MaxDocument is in bytes: that of an image with 10,000 packages and all
	// their files is near 50 MB.
	MaxDocument = 256 << 20
	// maxObjects bounds what decoding takes in memory, about 1 GiB at worst;
	// the document above has some 500,000 objects or elements. In JSON null
	// stands for one, too.
	maxObjects = 1 << 20
	maxCommas  = 1 << 24  // of JSON: lists of next to nothing; the document above has some 3 million
	sniffed    = 64 << 10 // bytes from the beginning that tell a document
)

// shape is the form of a document as its beginning tells.
type shape uint8

const (
	shapeNone    shape = iota
	shapeJSON          // CycloneDX or SPDX, perhaps wrapped
	shapeXML           // CycloneDX
	shapeTags          // SPDX tag-value
	shapeRefused       // SPDX in a form that is not read
)

// IsName reports whether a file is named as documents of this kind are by
// convention, and sure whether nothing else is named so.
func IsName(name string) (is, sure bool) {
	name = strings.ToLower(name)
	for _, end := range []string{".cdx.json", ".cdx.xml", ".spdx.json", ".spdx"} {
		if strings.HasSuffix(name, end) {
			return true, true
		}
	}
	return name == "bom.json" || name == "bom.xml", false
}

// Detect reports whether a file begins like a document of this kind. A folder,
// or anything else that is no regular file, is none.
func Detect(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return sniff(head[:n]) != shapeNone, nil
}

// sniff tells the shape from the beginning of a document.
func sniff(head []byte) shape {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	has := func(text string) bool { return bytes.Contains(head, []byte(text)) }
	switch {
	case len(head) == 0:
		return shapeNone
	case head[0] == '{':
		if has(`"bomFormat"`) || has(`"spdxVersion"`) || has(`"SPDXID"`) || has("spdx.org/rdf/3") || has("https://spdx.dev/Document") || has("https://cyclonedx.org/bom") {
			return shapeJSON
		}
	case head[0] == '<':
		if has("cyclonedx.org/schema/bom") {
			return shapeXML
		}
		if has("spdx.org/rdf") {
			return shapeRefused
		}
	case bytes.HasPrefix(head, []byte("SPDXVersion:")) || has("\nSPDXVersion:"):
		return shapeTags
	case bytes.HasPrefix(head, []byte("spdxVersion:")) || has("\nspdxVersion:"):
		return shapeRefused
	}
	return shapeNone
}

// Read reads a document from a file. Its errors name the file and, where there
// is one, the line.
func Read(path string) (*image.Inventory, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("%s: more than %d bytes, to which a bill of materials is read", path, MaxDocument)
	}
	doc, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s%w", path, err)
	}
	sum := sha256.Sum256(data)
	return doc.inventory(path, "sha256:"+hex.EncodeToString(sum[:])), nil
}

// parse reads a document. Its errors begin with ":LINE: " or ": ".
func parse(data []byte) (*document, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	kind := sniff(data[:min(len(data), sniffed)])
	count := func(text string) int { return bytes.Count(data, []byte(text)) }
	switch kind {
	case shapeJSON:
		if n := count("{") + count("null"); n > maxObjects {
			return nil, tooMany(n)
		}
		if n := count(","); n > maxCommas {
			return nil, fmt.Errorf(": %d commas; a bill of materials is read up to %d", n, maxCommas)
		}
		return parseJSON(data)
	case shapeXML:
		if n := count("<"); n > maxObjects {
			return nil, tooMany(n)
		}
		return parseCycloneDX(data, true)
	case shapeTags:
		return parseTags(data)
	case shapeRefused:
		return nil, errors.New(": SPDX is read in JSON and as tag-value text, not as RDF or YAML")
	}
	return nil, errors.New(": neither CycloneDX nor SPDX")
}

func tooMany(n int) error {
	return fmt.Errorf(": %d objects; a bill of materials is read up to %d", n, maxObjects)
}

// parseJSON looks which of the forms a JSON document has, and unwraps it.
func parseJSON(data []byte) (*document, error) {
	var head struct {
		Context   any             `json:"@context"`
		Format    string          `json:"bomFormat"`
		Version   string          `json:"spdxVersion"`
		Wrapped   json.RawMessage `json:"sbom"`      // GitHub's export
		Statement json.RawMessage `json:"predicate"` // in-toto
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, at(data, err)
	}
	inner := head.Wrapped
	if len(inner) == 0 {
		inner = head.Statement
	}
	switch {
	case head.Format != "" && !strings.EqualFold(head.Format, "CycloneDX"):
		return nil, fmt.Errorf(": bomFormat %q is not known", clip(head.Format))
	case head.Format != "":
		return parseCycloneDX(data, false)
	case head.Version != "":
		return parseSPDX(data)
	case head.Context != nil:
		return nil, errors.New(": SPDX 3 is not read: convert it to SPDX 2.3 or CycloneDX")
	case len(inner) > 0 && inner[0] == '{':
		if sniff(inner[:min(len(inner), sniffed)]) == shapeJSON && !bytes.Contains(inner[:min(len(inner), sniffed)], []byte(`"predicate"`)) {
			return parseUnwrapped(inner)
		}
	}
	return nil, errors.New(": neither CycloneDX nor SPDX")
}

// parseUnwrapped reads what a statement holds, which can't be another one.
func parseUnwrapped(data []byte) (*document, error) {
	if bytes.Contains(data[:min(len(data), sniffed)], []byte(`"bomFormat"`)) {
		return parseCycloneDX(data, false)
	}
	return parseSPDX(data)
}

// at puts the line before an error of encoding/json.
func at(data []byte, err error) error {
	offset := int64(-1)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	}
	if offset < 0 || offset > int64(len(data)) {
		return fmt.Errorf(": %w", err)
	}
	return fmt.Errorf(":%d: %w", 1+bytes.Count(data[:offset], []byte("\n")), err)
}

// clip keeps foreign text to a length that a report can hold.
func clip(text string) string { return text[:min(len(text), 256)] }
