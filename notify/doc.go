// Package notify hands alerts to those who should know of them: at least once,
// in order, and under one key.
//
// It is an outbox. What records an alert puts Deliverer.Writes into the same
// batch of the store, so that an alert is never recorded without being owed to
// each sink. Deliverer.Run then takes what is owed, sink by sink, sends it in
// batches, and deletes it once it was taken; a crash in between sends it again
// under the same key. Each sink has a lane of its own: one that is dead holds
// up no other.
//
// Alerts are throttled by grouping, never by dropping. The first alert of a
// rule and an asset is sent at once and opens a window; those that follow are
// held, and sent as one message at its end, with their number, times and ids.
// See docs/decisions/089.
//
// A receiver that fails, is busy or doesn't let us in is tried again, after a
// wait that doubles from one second to five minutes, or as long as it asks for.
// What it refuses for good goes to the dead outbox with the reason, and stays
// there until Revive; so does what makes it fail again and again while it takes
// others.
//
// Limits. One process at a time may deliver from a store. Order is that of the
// alerts' times among what is owed at a moment; held alerts come later, and of
// a bulk request some may be taken before those that stood before them. The
// outbox of a dead sink grows with the alerts, about one to ten kilobytes each.
// A message sums up at most 500 alerts and names at most 20 of their assets.
package notify
