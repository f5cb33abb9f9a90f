// Package trial runs the tests of a team's own Sigma rules: a file in YAML
// names rules, gives events, and says which alerts they raise. The language is
// in docs/guide/test-your-rules.md.
//
// A test's events become the text of a log, which ingest reads and detect
// judges as in any run: a test proves the whole way from bytes to alert, so
// that an event that no log could hold is an error and no silent pass. Logs
// end with the test, and correlations judge their windows then.
//
// A test is strict: an alert, a rule that could not tell, or a correlation
// that missed events, and that the test doesn't expect, fails it.
//
// Files are foreign. Keys that are unknown, missing or given twice are errors
// with file and line, all of one file at once; anchors and aliases are
// refused; no path leaves the folder of the test file, also by a link; sizes
// are bounded (see the constants of each file).
//
// Limits: a repeated event is the same but for time and id. Times are written
// into kinds of log whose records have their time in one place (clocks);
// of others {time} marks where it belongs. Files are judged as they are.
package trial
