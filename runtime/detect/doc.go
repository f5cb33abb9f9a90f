// Package detect is a Sigma engine for log events: rules are compiled once
// into an immutable Program, and a Matcher asks it of one event after another.
// It does no I/O but for Load, which reads files of rules.
//
// The language is that of the Sigma specification 2.1.0: search identifiers,
// all value modifiers, conditions, correlation rules, and filters. Fields are
// mapped and placeholders filled by pipelines, documents of our own beside the
// rules (see pipeline.go). What has no meaning is an error with file and line,
// and the other rules run; what can't match, as far as the log is known, is a
// warning. Regular expressions are RE2: those with a lookaround or a
// backreference, which the specification rules out, don't compile. Aggregations
// in conditions (count() > 5), timeframe and action are of older versions and
// are errors.
//
// Where the specification leaves room, this holds:
//
//   - A field is a path of keys joined by dots; a key may hold dots itself. An
//     array on the way is walked, and a field that so has several values
//     matches when any one of them does. contains|all asks each value of the
//     list of any element, not all of one element.
//   - A key '*' in a field's path stands for every key of an object there:
//     "data.*" is all values of data. Not of the specification.
//   - An absent field matches nothing, not even '*'; but null, exists: false
//     and neq. A field is null when the path leads to no value other than null.
//   - Numbers and booleans compare by their text, so that 403 and '403' are one;
//     a number of a rule is that text as well as it is written: 1.0, 0x17.
//   - The clock of a time modifier is the one that the value is written in, and
//     weeks are those of ISO 8601. A number is no time.
//   - A placeholder that no pipeline gives matches nothing, with a warning.
//   - Keywords look at the declared message fields of the log kind, never at
//     the whole record.
//
// Correlation (decision 080):
//
//   - Time is that of the event. Matches wait until no earlier one can come:
//     for the end of the logs, or for Bounds.Lateness. What comes later still
//     is counted and told, as is what there was no room for.
//   - The stages of one request are one match.
//   - A condition that more matches can only bring nearer (gt and gte of
//     counts and sums, temporal without not) is judged at each match, over the
//     timespan that ends there, both ends included. It alerts when it begins to
//     hold, and again for each timespan that it goes on.
//   - Any other condition (lt, eq, averages, percentiles, not) is judged when a
//     window closes that begins with the group's first match; the next begins
//     with the first match after it. The end of the logs closes it too.
//   - A group is all values of each group-by field together; no value is a
//     group as well. Several values of a counted field are counted each.
//   - temporal_ordered takes events of one time in the order of stream and
//     index, and no event follows itself.
//   - An event whose time lies far ahead makes the ones behind it late: clocks
//     are taken to be right.
//   - A rule that correlations refer to is silent, unless one says generate.
//
// Results is a run over logs that end. Live is one over logs that don't: it
// gives alerts when they are final, and a Mark from which another run goes on
// without its state (decision 087). Limits of that: groups that go on without a
// pause for more than eight of the longest timespan, and correlations of
// correlations of correlations, may alert at another match after a restart;
// and stages of a request that have different times, and of which one lies
// before the mark, count once more.
//
// The engine routes by log source, walks an event once along the fields that
// rules name, answers each distinct predicate at most once, and evaluates only
// rules of which a necessary predicate may hold (their witness; decision 092).
// Its cost is that of an event's bytes, whatever the number of rules. Matching
// asks nothing of the heap.
package detect
