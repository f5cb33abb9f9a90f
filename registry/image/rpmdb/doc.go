// Package rpmdb reads the database of rpm from its bytes: which packages are
// installed, and which files each brought.
//
// Read are the three forms that rpm has had since version 4: a hash table of
// Berkeley DB (the file Packages), ndb (Packages.db) and SQLite
// (rpmdb.sqlite). The first bytes tell which one it is. Only the table of
// package headers is read; rpm's indices, which repeat what headers say, are
// not.
//
// A database is foreign bytes. Every page, block and entry is looked at no
// more often than it can count, so that time and memory grow with the length
// of the file alone, whatever it states. What is broken becomes a Problem, and
// the rest is read.
//
// Not read: databases with encryption or checksums of Berkeley DB, which rpm
// doesn't write; changes that only the log of SQLite holds (see Pending); the
// one file of rpm 3; signatures, which would be needed to know that a header
// is as its vendor wrote it.
package rpmdb
