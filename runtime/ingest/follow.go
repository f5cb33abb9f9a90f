package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Bounds of a chunk, so that a log keeps it as one.
const (
	maxChunk        = 512 << 10 // bytes; or one record
	maxChunkRecords = 1024
)

// Place is how far a file was read. The zero value is the beginning of
// whatever bears the name.
type Place struct {
	File   string `json:"file"`   // which file it is, whatever its name: see identity
	Offset int64  `json:"offset"` // bytes
	Index  int    `json:"index"`  // records before, of all files
}

// Beginning is the place at the beginning of the file that bears a name now,
// so that it is found again if it is rotated before anything of it was read.
// Of one that has no whole line yet it is the zero place.
func Beginning(path string) Place {
	file, err := os.Open(path)
	if err != nil {
		return Place{}
	}
	defer file.Close()
	id, err := identity(file)
	if head := make([]byte, maxFirst); err == nil {
		n, _ := file.ReadAt(head, 0)
		if n == maxFirst || bytes.IndexByte(head[:n], '\n') >= 0 { // what is written after that doesn't change it
			return Place{File: id}
		}
	}
	return Place{}
}

// Chunk is what was read at once: whole records as they stand in the file,
// those of lists apart.
type Chunk struct {
	From, To Place // of one file
	Records  [][]byte
}

// ID is the same for the same records of the same file.
func (c Chunk) ID() string {
	return fmt.Sprintf("%s:%d:%d:%d:%d", c.From.File, c.From.Index, c.From.Offset, c.To.Index, c.To.Offset)
}

// ParseChunkID returns where the chunk with an id ends.
func ParseChunkID(id string) (to Place, ok bool) {
	words := strings.Split(id, ":")
	if len(words) != 5 {
		return Place{}, false
	}
	index, err := strconv.Atoi(words[3])
	offset, e := strconv.ParseInt(words[4], 10, 64)
	return Place{File: words[0], Offset: offset, Index: index}, err == nil && e == nil && index >= 0 && offset >= 0
}

// FollowConfig adjusts Follow. The zero value works.
type FollowConfig struct {
	Poll time.Duration    // between looks at the end of the file; 0: half a second
	Lost func(why string) // is told what may be missing, and why; may be nil
}

// Follow gives the records of a file that grows, from a place on, until ctx is
// done, whose error it returns, or yield fails. It follows the name through
// rotation, and so that another Follow goes on behind the last
// chunk without losing a record or giving one twice: where the file was rotated
// meanwhile, it is looked for in its folder among the files whose names begin
// alike, and read to its end, and so are those that came after it.
//
// Records are lines: frames of syslog with counts, entries of a journal's
// export and documents over several lines are not followed. Half a line waits
// for its rest; at the end of a file that was rotated it is a record. What a
// rotation packs before it was read is lost, and what was written to a file
// after the last look before it was truncated: Lost is told of both.
func Follow(ctx context.Context, path string, from Place, cfg FollowConfig, yield func(Chunk) error) error {
	f := &following{ctx: ctx, path: path, cfg: cfg, at: from, yield: yield}
	if err := f.run(); err != nil {
		return fmt.Errorf("following log %s: %w", path, err)
	}
	return nil
}

// Cut gives the records of a stream until it ends, as Follow does those of a
// file. Its places have no file.
func Cut(r io.Reader, yield func(Chunk) error) error {
	f := &following{at: Place{File: "-"}, yield: func(c Chunk) error {
		c.From.File, c.To.File = "", ""
		return yield(c)
	}}
	buf := make([]byte, peekSize)
	for {
		n, err := r.Read(buf)
		if e := f.take(nil, buf[:n]); e != nil {
			return e
		}
		if errors.Is(err, io.EOF) {
			return f.end()
		}
		if err != nil {
			return err
		}
		if n < len(buf) {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
}

type following struct {
	ctx   context.Context // of one Follow
	path  string
	cfg   FollowConfig
	at    Place // behind the last whole record
	yield func(Chunk) error

	rest  []byte // of a line that isn't whole
	size  int64  // of the line so far, which may be longer than rest
	chunk Chunk
	bytes int
	room  []byte  // for records: what is left of it is free
	dec   decoder // of lines that may be lists

	read os.FileInfo // of the file that was read to its end last; nil: none
}

func (f *following) run() error {
	if f.at.File != "" {
		if err := f.older(); err != nil {
			return err
		}
	}
	name, err := f.open()
	if err != nil {
		return err
	}
	defer func() { name.close() }()
	if err := f.between(name.file); err != nil {
		return err
	}
	if _, err := name.file.Seek(f.at.Offset, io.SeekStart); err != nil {
		return err
	}
	name.at = f.at.Offset
	buf := make([]byte, peekSize)
	for ended := false; f.ctx.Err() == nil; {
		if ended { // it may be another by now
			if err := f.rewritten(name); err != nil {
				return err
			}
		}
		n, err := name.file.Read(buf)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		ended = n < len(buf)
		name.at += int64(n)
		if err := f.take(name.file, buf[:n]); err != nil {
			return err
		}
		if !ended {
			continue
		}
		if err := f.flush(); err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		fresh, err := f.turn(name)
		if err != nil {
			return err
		}
		if !fresh {
			name.wait()
		}
	}
	return f.ctx.Err()
}

// open opens the file that bears the name, and waits for it where it was there
// before.
func (f *following) open() (*follower, error) {
	for {
		name, err := newFollower(f.ctx, f.path, f.cfg.Poll)
		if err == nil || f.at.Index == 0 || !errors.Is(err, os.ErrNotExist) {
			return name, err
		}
		(&follower{ctx: f.ctx, poll: max(f.cfg.Poll, time.Millisecond)}).wait()
		if f.ctx.Err() != nil {
			return nil, f.ctx.Err()
		}
	}
}

// turn looks whether another file comes next, and ends the line at hand then.
func (f *following) turn(name *follower) (bool, error) {
	old, at := name.file, f.at
	if f.size > 0 && at.File == "" { // turn may close the file
		at.File, _ = identity(old)
	}
	info, err := old.Stat()
	if err != nil {
		return false, err
	}
	fresh, err := name.turn()
	if err != nil || !fresh {
		return false, err
	}
	f.at = at
	if old == name.file {
		return true, f.truncated()
	}
	f.read = info
	return true, errors.Join(f.end(), f.between(name.file))
}

// rewritten begins a file anew that was truncated and has grown beyond where it
// was read to since: its first line is another.
func (f *following) rewritten(name *follower) error {
	if f.at.File == "" {
		return nil
	}
	if id, err := identity(name.file); err != nil || id == f.at.File {
		return err
	}
	var err error
	if name.at, err = name.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return f.truncated()
}

// truncated goes on at the beginning of the same file. What was half written is
// gone, and nobody knows what came behind it.
func (f *following) truncated() error {
	f.rest, f.size = nil, 0
	f.lose("it was truncated in place: what was written to it after the last look may be lost; rotate it by renaming")
	return f.end()
}

func (f *following) lose(why string) {
	if f.cfg.Lost != nil {
		f.cfg.Lost(why)
	}
}

// end makes a record of half a line at the end of a file, and goes on to the
// beginning of the next one.
func (f *following) end() error {
	if f.size > 0 {
		if err := f.line(f.rest); err != nil {
			return err
		}
	}
	if err := f.flush(); err != nil {
		return err
	}
	f.at = Place{Index: f.at.Index}
	return nil
}

// take cuts what was read of a file into lines.
func (f *following) take(file *os.File, text []byte) error {
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			f.keep(text)
			return nil
		}
		whole := text[:i+1]
		if f.size > 0 {
			f.keep(whole)
			whole = f.rest
		} else {
			f.size = int64(len(whole))
		}
		text = text[i+1:]
		if f.at.File == "" {
			id, err := identity(file)
			if err != nil {
				return err
			}
			f.at.File = id
		}
		if err := f.line(whole); err != nil {
			return err
		}
	}
	return nil
}

// keep adds to the line at hand. Of one that is too long the beginning is
// kept, and one byte more, so that whoever reads it finds it too long.
func (f *following) keep(part []byte) {
	f.size += int64(len(part))
	f.rest = append(f.rest, part[:min(len(part), max(0, MaxRecord+1-len(f.rest)))]...)
}

// keepRest is how much room for half a line stays, in bytes.
const keepRest = 1 << 20

// line adds the records of the line at hand to the chunk: a copy of it, or of
// the items of the list in it.
func (f *following) line(text []byte) error {
	text = trimLine(text)
	one, list := 1, [][]byte(nil)
	switch {
	case len(text) == 0:
		one = 0
	case f.holdsList(text):
		if list = items(text); len(list) > 0 {
			one = 0
		}
	}
	count := one + len(list)
	if len(f.chunk.Records) > 0 && (f.bytes+len(text) > maxChunk || len(f.chunk.Records)+count > maxChunkRecords) {
		if err := f.flush(); err != nil {
			return err
		}
	}
	if count > 0 && len(f.chunk.Records) == 0 {
		f.chunk.From = f.at
	}
	f.at.Offset += f.size
	f.at.Index += count
	if count > 0 {
		f.chunk.Records, f.chunk.To = append(f.chunk.Records, list...), f.at
		f.bytes += len(text)
	}
	if one > 0 {
		f.chunk.Records = append(f.chunk.Records, f.copy(text))
	}
	f.rest, f.size = f.rest[:0], 0
	if cap(f.rest) > keepRest {
		f.rest = nil
	}
	return nil
}

// copy makes a copy of a record in the room that those before it left.
func (f *following) copy(text []byte) []byte {
	if cap(f.room)-len(f.room) < len(text) {
		f.room = make([]byte, 0, max(len(text), peekSize))
	}
	from := len(f.room)
	f.room = append(f.room, text...)
	return f.room[from:len(f.room):len(f.room)]
}

// flush hands over the chunk at hand.
func (f *following) flush() error {
	c := f.chunk
	f.chunk, f.bytes = Chunk{}, 0
	if len(c.Records) == 0 {
		return nil
	}
	return f.yield(c)
}

// items are those of the list in a line.
func items(text []byte) [][]byte {
	var out [][]byte
	sp := &splitter{r: bufio.NewReader(bytes.NewReader(text)), line: 1}
	for {
		_, raw, _, err := sp.next()
		if err != nil {
			break
		}
		out = append(out, bytes.Clone(raw)) // damaged ones too
	}
	return out
}

// holdsList reports whether a line is an array or a document with a list.
func (f *following) holdsList(text []byte) bool {
	if !opensJSON(text) || len(text) > MaxRecord {
		return false
	}
	if text[0] == '[' {
		return true
	}
	if !namesList(text) {
		return false
	}
	doc, _ := f.dec.parse(text)
	return doc != nil && f.dec.isList(doc)
}

// namesList reports whether a key of lists stands in a line, wherever. All of
// them end in s, which is what is looked for: nearly no record has one.
func namesList(text []byte) bool {
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(`s"`))
		if i < 0 {
			return false
		}
		at += i + len(`s"`)
		for _, key := range listKeys {
			from := at - len(`"`) - len(key) - len(`"`)
			if from >= 0 && text[from] == '"' && string(text[from+1:at-1]) == key {
				return true
			}
		}
	}
}
