package report

import (
	"io"

	"github.com/scantling/scantling/model"
)

// TestCase is the outcome of one test of a rule, for JUnitTests.
type TestCase struct {
	File    string // of the test: the suite
	Line    int
	Name    string
	Failure string // what differs; empty: it passed
}

// JUnitTests writes the outcomes of tests as XML: a suite for each file, in
// the order of the cases. What was not read is a suite of errors of its own.
func JUnitTests(w io.Writer, tool Tool, cases []TestCase, missed []model.Incomplete) error {
	doc := junitDoc{Name: tool.Name}
	for _, c := range cases {
		if n := len(doc.Suites); n == 0 || doc.Suites[n-1].Name != Clean(c.File) {
			doc.Suites = append(doc.Suites, junitSuite{Name: Clean(c.File)})
		}
		one := junitCase{Name: Clean(c.Name), Class: Clean(c.File), File: Clean(c.File), Line: c.Line}
		if c.Failure != "" {
			one.Failure = &junitOutcome{Type: "difference", Message: Clean(c.Failure)}
		}
		doc.Suites[len(doc.Suites)-1].add(one)
	}
	if len(missed) > 0 {
		doc.Suites = append(doc.Suites, notRead(missed))
	}
	return doc.write(w)
}
