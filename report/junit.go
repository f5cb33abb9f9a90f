package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/scantling/scantling/model"
)

// JUnit writes findings as the XML that CI servers read as test results: a
// suite for each file or asset, a case for each finding. A fail is a failure,
// an unknown an error, a suppressed finding is skipped. What was not read is
// a suite of errors of its own. Passes are not known one by one, so a first
// case stands for all that was judged.
func (d Findings) JUnit(w io.Writer) error {
	return junitDoc{Name: d.Tool.Name, Suites: d.junitSuites()}.write(w)
}

// write counts what the suites hold, and writes them.
func (doc junitDoc) write(w io.Writer) error {
	for _, s := range doc.Suites {
		doc.Tests += s.Tests
		doc.Failures += s.Failures
		doc.Errors += s.Errors
		doc.Skipped += s.Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (d Findings) junitSuites() []junitSuite {
	judged := junitSuite{Name: d.Tool.Name, Tests: 1, Cases: []junitCase{{Name: plural(d.Summary.Read, "input judged", "inputs judged"), Class: d.Tool.Name}}}
	suites := []junitSuite{judged}
	place := map[string]int{}
	for _, f := range d.Findings {
		name := Clean(cmp.Or(f.Position.File, f.Asset.Name, f.Asset.Key))
		i, ok := place[name]
		if !ok {
			i = len(suites)
			place[name] = i
			suites = append(suites, junitSuite{Name: name})
		}
		suites[i].add(junitCaseOf(f, name))
	}
	if len(d.Incomplete) == 0 {
		return suites
	}
	return append(suites, notRead(d.Incomplete))
}

// notRead is the suite of what was not read.
func notRead(missed []model.Incomplete) junitSuite {
	out := junitSuite{Name: "not read"}
	for _, x := range missed {
		out.add(junitCase{Name: Clean(x.What), Class: "incomplete", Error: &junitOutcome{Type: "incomplete", Message: Clean(x.Why)}})
	}
	return out
}

// junitCaseOf names a case by rule and place, and keeps the fingerprint in
// it: servers tell cases apart by class and name.
func junitCaseOf(f model.Finding, file string) junitCase {
	c := junitCase{Name: fmt.Sprintf("%s %s [%s]", f.Rule, Clean(f.Title), f.ID), Class: Clean(f.Asset.Name), File: Clean(f.Position.File), Line: f.Position.Line}
	out := &junitOutcome{Type: f.Severity.String(), Message: Clean(f.Message), Text: junitText(f, file)}
	switch {
	case f.Suppressed != nil:
		c.Skipped = &junitOutcome{Message: strings.TrimSpace(state(f))}
	case f.Verdict == model.Unknown:
		out.Type = "unknown"
		c.Error = out
	default:
		c.Failure = out
	}
	return c
}

func junitText(f model.Finding, file string) string {
	text := file
	if f.Position.Line > 0 {
		text = fmt.Sprintf("%s:%d", file, f.Position.Line)
	}
	for _, e := range f.Evidence {
		text += "\n" + evidence(e)
	}
	if f.Fix != nil {
		text += "\nfix: " + Clean(f.Fix.Text)
	}
	return text
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// The elements of a JUnit file. No standard defines them; these are the ones
// that the common servers agree on.
type (
	junitDoc struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitOutcome `xml:"failure,omitempty"`
		Error   *junitOutcome `xml:"error,omitempty"`
		Skipped *junitOutcome `xml:"skipped,omitempty"`
	}
	junitOutcome struct {
		Type    string `xml:"type,attr,omitempty"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)
