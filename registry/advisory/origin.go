package advisory

import (
	"errors"
	"io/fs"
	"path"

	feeds "github.com/scantling/scantling/registry/feed"
)

// origins reads what a folder that is a copy says of the feeds that it was made
// of: when they were synced, and what of them was missing then.
func (l *loader) origins(db *DB) {
	file, err := l.regular(feeds.OriginFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var states map[string]feeds.State
	if err == nil {
		defer file.Close()
		states, err = feeds.Origins(file)
	}
	if err != nil {
		l.skip(feeds.OriginFile, "how whole these advisories are is unknown: %v", plainError(err))
		return
	}
	for _, name := range sortedKeys(states) {
		s, f := states[name], db.feeds[name]
		switch {
		case name == feeds.KEV:
			db.catalogSynced = s.Synced
		case f == nil:
			continue
		default:
			f.synced, f.partial = s.Synced, s.Synced.IsZero()
		}
		l.unread(name, s)
	}
}

// unread tells what the source of a feed lists and is not here.
func (l *loader) unread(name string, s feeds.State) {
	if s.Pending > 0 {
		l.skip(name, "%d of its records are still to be fetched: run `scantling advisories sync`", s.Pending)
	}
	for _, b := range s.Broken[:min(len(s.Broken), maxBroken)] {
		l.skip(path.Join(name, b.ID), "%s", b.Why)
	}
	if more := len(s.Broken) - maxBroken; more > 0 {
		l.skip(name, "%d more records could not be read", more)
	}
}
