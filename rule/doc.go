// Package rule holds the rule format, its compiler and its verdicts.
//
// A rule is one folder, <stage>/<ID>-<slug>/, with rule.yaml (what it says and
// why) and cases.txtar (inputs on which it must fail, pass, or say that it
// can't tell). Metadata is always data. Logic is one of three:
//
//   - match: a CEL expression that is true when the rule fails;
//   - check: the name of a Go function that the stage binds;
//   - logsource: and detection:, and correlation: where its matches are
//     counted, a Sigma rule, which this package carries and runtime/detect
//     compiles.
//
// The way of a rule is Load -> Catalogue.Select -> Compile -> Program.Eval. A
// rule that is malformed, doesn't type-check or names a check that nobody
// binds is an error with file and line, and the other rules still work: no
// rule ever silently matches nothing.
//
// Verdicts are three-valued. An input that the stage doesn't know is put in
// the scope as an Unknown; whatever can be decided without it still is
// (true || unknown is true), and what can't becomes model.Unknown with the
// reason. So does a field that is absent and not guarded by has(), and an
// expression that costs too much.
//
// This is the only package that imports cel-go.
package rule
