// Package watch detects without an end: it reads the durable log of raw
// records, makes events of them, asks the detections, and records what they
// find. Tail and Pipe put records on that log.
//
// One batch of the store holds the alerts, what is owed to those who should
// know of them, and the position in the log. So each alert is recorded once,
// whatever dies when: what wasn't recorded is found again from the position,
// and has the same id (decision 087). Partitions are read side by side; what
// correlations look at meets in detect.Live.
//
// The state of correlations is not kept. The position says for each partition
// from where a restart has to read again for them, see detect.Mark; other rules
// may take over from there too. While the store can't be written, nothing
// moves: alerts wait in memory, up to 10,000, then reading does.
//
// Limits. One process watches a log; a second one ends with an error when it
// writes. What the log's retention takes before it was read is not judged: the
// log tells. A list in one line of a file that makes a batch over 1 MiB may be
// kept in part when the process dies in that moment. The index of a message in
// parts is that of its last line, where a run over the file counts messages.
package watch
