// Package secret finds keys, tokens and passwords in files.
//
// A file is pushed through a Scanner as a stream. One pass looks for three
// bytes of each keyword at every position (see grams); only where they stand
// does a detector look closely: at form, checksum, structure or entropy. Files
// whose name says what they hold (.netrc, .pgpass, …) are read as such too.
//
// A Hit says which kind of secret stands on which line, and when a token
// ends. The value is never kept, returned or part of an error.
//
// Not searched: files that are no text by their first bytes, those of archives
// and executables with them; text in UTF-16; documentation, tests and examples
// of installed packages (see quiet), whose keys are everybody's; what a file
// has beyond MaxFile bytes, which Result.Unread names. Not found: secrets that
// no keyword stands before, values in several parts, a token behind a character of
// its own alphabet; nor is said whether a secret is still
// valid. PGP keys are not told apart by whether a passphrase protects them.
package secret
