package rpmdb

import (
	"encoding/binary"
)

// The files that SQLite keeps beside a database (sqlite.org/fileformat2.html,
// "The Write-Ahead Log" and "The Rollback Journal").
const (
	logMagic     = 0x377f0682 // the lowest bit says the byte order of checksums
	logHead      = 32
	frameHead    = 24
	journalMagic = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
)

// Pending reports whether what stands beside a database of SQLite, its
// write-ahead log or its rollback journal, holds changes that the database may
// not have: frames that were committed, or pages to be put back. Whether a
// committed frame was already copied over can't be told from the log alone.
func Pending(data []byte) bool {
	if len(data) >= len(journalMagic) && string(data[:len(journalMagic)]) == journalMagic {
		return true
	}
	if len(data) < logHead || binary.BigEndian.Uint32(data)&^1 != logMagic {
		return false
	}
	size := int(binary.BigEndian.Uint32(data[8:]))
	if size < 512 || size > 64<<10 {
		return false // SQLite passes over such a log
	}
	salts := string(data[16:24])
	for frames := data[logHead:]; len(frames) >= frameHead+size; frames = frames[frameHead+size:] {
		if string(frames[8:16]) != salts {
			return false // left over from before the log was begun anew
		}
		if binary.BigEndian.Uint32(frames[4:]) != 0 {
			return true // the last frame of a commit says the size of the database
		}
	}
	return false
}
