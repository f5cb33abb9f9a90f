// Package store keeps what parts of the program remember from one run to the
// next: model.Record values, found by kind and key, written in batches that
// happen as a whole or not at all and are on disk when Apply returns.
//
// By default it stands on one SQLite file (modernc.org/sqlite, WAL), readable
// by its owner alone: one connection writes, several read beside it and never
// wait for it. Other processes may open the same file; who waits for their
// lock longer than 10 s gets an error that says so. At scale it stands on
// PostgreSQL. Package storetest holds both against the same suite.
//
// Limits. A kind has 64 bytes, a key 1,024, a body 512 MiB, and a batch, a
// record and a page of a scan (4 MiB, or one record) are held in memory. A
// scan is no snapshot, see Store.Scan. The folder of an SQLite file has to be
// on a local disk, because processes share the log by shared memory; no other
// code of the process may open and close the file, because that drops its
// locks. A file doesn't shrink: what was deleted is free space, which the next
// records take. PostgreSQL is spoken to through sessions, so a proxy in front
// of it must not share them by transaction; a server with fsync=off is refused.
package store
