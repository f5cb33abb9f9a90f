// Package store keeps what parts of the program remember from one run to the
// next: model.Record values, found by kind and key, written in batches.
//
// It stands on an SQLite file.
package store
