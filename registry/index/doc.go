// Package index finds the images that a changed advisory touches without
// touching any image, and says what changed for them.
//
// An image is a list of component sets: what each of its layers brings, as far
// as it is visible (NewImage). Images that share a layer share its set. The
// index leads from a package to its observed versions, sorted in the order of
// their ecosystem, from a version to the sets that hold it, and from a set to
// its images. A range of an advisory is then a few binary searches in the
// versions of a package (advisory.Record.Touched) and a union of lists. What
// comes in module streams of rpm is a package for each of them.
//
// What an advisory says is kept for each component version, never for each
// image, and told once: Engine.Apply compares what is stored with what a
// changed record says and stores the difference as transitions, in the same
// batch as the record. An image that is added has its components evaluated
// where no other image has them, and is itself one transition, Indexed: its
// findings are not news of an advisory. An advisory that doesn't concern any
// component, or only such that no image has any more, tells nothing.
//
// The records of the store are the truth; record.go lists their kinds. The
// index in memory is one immutable segment, a file that is read in place, and
// the changes since (segment.go, delta.go). When those have grown, a new
// segment is made of both (merge.go). A segment that is missing or damaged is
// made anew from the records.
//
// Every change moves one sequence number from its last value to the next, in
// its own batch, so that of two processes that change something at once one
// fails, reads what the other did, and tries again.
//
// Limits: findings stand until their advisory or component comes again, also
// where a later release would evaluate them otherwise. MaxImages images. The
// index is in memory as a whole, some 120 bytes an image, and on one node: it
// is not sharded by package, for which it is a tenth of the size where that
// would help. While a segment is made, some seconds for a million images,
// changes wait and questions are answered. A package without an ecosystem is
// in no set: no advisory can name it, and that is for its image's report to
// say.
package index
