// Package signal watches the logs themselves: detections are worth nothing
// while the events that they need don't come. It does no I/O and has no clock:
// events, counters and the time are handed in, and the same ones give the same
// alarms.
//
// Two questions are asked. Of an audit policy: which detections can it not
// feed (ParsePolicy, Policy.Feeds). Of what is observed while logs come in: has
// a source gone silent, does it lag, are its records below the level that a
// rule needs, does no record have a field that a rule names, was a log never
// received, were records refused or damaged, did the policy change (Alarms).
//
// Whoever watches logs calls Observe with each event once it is judged, Close
// when a stream has ended, Count and Tick every few seconds, and SetPolicy where
// the policy is known and whenever it was read again. All but Tick are cheap:
// Observe takes half a microsecond and allocates nothing.
//
// Alarms are rules of the catalogue (D901 to D949, decision 095), so that each
// says why it matters and how to fix it. Each is an alert once when it begins,
// and once more when it is over. What is observed stays in memory: after a
// restart an alarm that still holds is raised again, by the same id where its
// cause still has the same beginning, and one that ended meanwhile isn't told.
//
// Limits. How long a source may be silent is learned from its own gaps, which
// takes a day to know its nights; Config.Silence says it for certain. Levels
// and fields are read from a sample of the events: the first 32 of each action,
// then one of 32. A field below a part of a record that holds anything, as
// requestObject does, counts as seen when that part was: that no pod had
// hostPID is no fault of the log. Rules of the audit log that leave verb or
// resource open are not asked for the level of what was seen, only of the
// policy. Omitted managed fields count for no rule.
package signal
