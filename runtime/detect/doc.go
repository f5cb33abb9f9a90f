// Package detect is a Sigma engine for log events: rules are compiled once
// into an immutable Program, and a Matcher asks it of one event after another.
// It does no I/O but for Load, which reads files of rules.
//
// The language is that of the Sigma rules specification 2.1.0 (search
// identifiers, value modifiers, conditions). Whatever this engine can't do yet
// (correlations, filters, expand, the time modifiers, aggregations) is an error
// with file and line, and the other rules run: no rule silently matches nothing.
//
// Where the specification leaves room, this holds:
//
//   - A field is a path of keys joined by dots; a key may hold dots itself. An
//     array on the way is walked, and a field that so has several values
//     matches when any one of them does. contains|all asks each value of the
//     list of any element, not all of one element.
//   - An absent field matches nothing, not even '*'; but null, exists: false
//     and neq. A field is null when the path leads to no value other than null.
//   - Numbers and booleans compare by their text, so that 403 and '403' are one.
//   - Keywords look at the declared message fields of the log kind, never at
//     the whole record.
//
// The engine routes by log source, evaluates each distinct predicate at most
// once an event, and only looks at rules of which a necessary exact value was
// seen (their witness).
package detect
