// Package splice changes YAML text in place: it edits the bytes of the keys
// that change and leaves every other byte as it was, comments, order, quoting
// and the other documents of the file among them.
//
// Each change is checked before it is returned: the edited document must
// decode to exactly what the change asks of the old one. A layout that this
// package can't edit (a value behind an alias or a tag, a key that shares its
// line with a dash, a template) is an error, never a wrong file.
//
// Left out: nodes behind aliases and merge keys, documents of more than
// MaxDocument bytes, and comments above a removed key or item, which stay.
package splice
