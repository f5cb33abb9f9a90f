package rpmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The layout of SQLite's files (sqlite.org/fileformat2.html). Numbers are
// big-endian. A table is a tree of pages whose leaves hold one cell for each
// row; what doesn't fit goes to a chain of overflow pages.
const (
	sqliteMagic = "SQLite format 3\x00"
	sqliteHead  = 100 // bytes before the tree of page 1

	leafTable     = 13
	interiorTable = 5

	maxColumns = 16
	maxDepth   = 20 // levels of a tree: SQLite's own bound (BTCURSOR_MAX_DEPTH)
)

func isSQLite(data []byte) bool {
	return len(data) >= sqliteHead && string(data[:16]) == sqliteMagic
}

// sqlite is an open file.
type sqlite struct {
	r      *reader
	data   []byte
	size   int // of a page
	usable int // bytes of a page that aren't reserved
	seen   []bool
}

var errTree = errors.New("its tree of pages is broken")

// readSQLite finds the table Packages in the schema and reads its rows: a
// number, and the header of a package.
func readSQLite(r *reader, data []byte) error {
	db, err := openSQLite(r, data)
	if err != nil {
		return err
	}
	root := uint32(0)
	err = db.rows(1, func(_ string, row []byte) error {
		if page, ok := packagesTable(row); ok {
			root = page
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case root == 0:
		return fmt.Errorf("%w: SQLite without a table of packages", ErrForm)
	}
	if total := uint64(binary.BigEndian.Uint32(data[28:])); total > uint64(len(db.seen)-1) && slices.Equal(data[24:28], data[92:96]) {
		if err := r.problem("its end", fmt.Errorf("it is cut short: %d pages of %d", len(db.seen)-1, total)); err != nil {
			return err
		}
	}
	return db.rows(root, func(where string, row []byte) error {
		columns, err := columnsOf(row)
		if err != nil || len(columns) != 2 || columns[1].kind < 12 {
			return r.problem(where, errors.New("its row is no header of a package"))
		}
		return r.add(where, columns[1].data)
	})
}

func openSQLite(r *reader, data []byte) (*sqlite, error) {
	size := int(binary.BigEndian.Uint16(data[16:]))
	if size == 1 {
		size = 64 << 10
	}
	usable := size - int(data[20])
	switch {
	case size < 512 || size&(size-1) != 0 || usable < 480 || len(data) < size:
		return nil, fmt.Errorf("%w: pages of %d bytes", ErrForm, size)
	case data[19] > 2:
		return nil, fmt.Errorf("%w: version %d of SQLite's files", ErrForm, data[19])
	case binary.BigEndian.Uint32(data[56:]) > 1:
		return nil, fmt.Errorf("%w: SQLite with texts that aren't UTF-8", ErrForm)
	}
	return &sqlite{r: r, data: data, size: size, usable: usable, seen: make([]bool, len(data)/size+1)}, nil
}

// packagesTable reads a row of the schema (type, name, table, page, SQL) and
// returns the first page of the table of packages.
func packagesTable(row []byte) (uint32, bool) {
	columns, err := columnsOf(row)
	if err != nil || len(columns) != 5 || string(columns[0].data) != "table" || !strings.EqualFold(string(columns[1].data), "Packages") {
		return 0, false
	}
	page := uint32(0)
	for _, b := range columns[3].data {
		page = page<<8 | uint32(b)
	}
	return page, columns[3].kind <= 4
}

// page claims a page, which is read once: no loop is endless.
func (db *sqlite) page(n uint32) ([]byte, error) {
	if n == 0 || uint64(n) >= uint64(len(db.seen)) || db.seen[n] {
		return nil, errTree
	}
	db.seen[n] = true
	return db.data[int(n-1)*db.size:][:db.usable], nil
}

// branch is a page that is still to be read, and how deep it lies.
type branch struct {
	page  uint32
	depth int
}

// rows calls visit with each row of the table that begins at a page. What
// can't be read is a problem; an error ends it.
func (db *sqlite) rows(root uint32, visit func(where string, row []byte) error) error {
	stack := []branch{{root, 1}}
	for len(stack) > 0 {
		next := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		where := fmt.Sprintf("page %d", next.page)
		page, err := db.page(next.page)
		var cells []int
		right := uint32(0)
		if err == nil && next.depth <= maxDepth {
			cells, right, err = db.cells(page, next.page == 1)
		} else {
			err = errTree
		}
		if err != nil {
			if err := db.r.problem(where, err); err != nil {
				return err
			}
			continue
		}
		if right != 0 {
			stack = append(stack, branch{right, next.depth + 1})
			for _, at := range slices.Backward(cells) {
				stack = append(stack, branch{binary.BigEndian.Uint32(page[at:]), next.depth + 1})
			}
			continue
		}
		if err := db.leaf(page, cells, where, visit); err != nil {
			return err
		}
	}
	return nil
}

// leaf does the same for the cells of one page.
func (db *sqlite) leaf(page []byte, cells []int, where string, visit func(where string, row []byte) error) error {
	for _, at := range cells {
		row, err := db.row(page, at)
		switch {
		case errors.Is(err, errTwice):
			return err
		case err != nil:
			err = db.r.problem(where, err)
		default:
			err = visit(where, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cells lists where the cells of a page are, and the rightmost child of an
// interior page; 0 tells a leaf.
func (db *sqlite) cells(page []byte, first bool) (cells []int, right uint32, err error) {
	head := 0
	if first {
		head = sqliteHead
	}
	count := int(binary.BigEndian.Uint16(page[head+3:]))
	array := head + 8
	switch page[head] {
	case leafTable:
	case interiorTable:
		array += 4
		if right = binary.BigEndian.Uint32(page[head+8:]); right == 0 {
			return nil, 0, errTree
		}
	default:
		return nil, 0, errTree
	}
	if array+2*count > len(page) {
		return nil, 0, errTree
	}
	for i := range count {
		at := int(binary.BigEndian.Uint16(page[array+2*i:]))
		if at < array+2*count || at+4 > len(page) {
			return nil, 0, errTree
		}
		cells = append(cells, at)
	}
	return cells, right, nil
}

// row joins the payload of a leaf's cell: its length, the number of the row,
// and as much of it as the page holds.
func (db *sqlite) row(page []byte, at int) ([]byte, error) {
	length, n := varint(page[at:])
	_, m := varint(page[at+n:])
	if n == 0 || m == 0 || length > uint64(len(db.data)) {
		return nil, errTree
	}
	if err := db.r.claim(length); err != nil {
		return nil, err
	}
	local := db.local(int(length))
	start := at + n + m
	if start+local > len(page) {
		return nil, errTree
	}
	if local == int(length) {
		return page[start:][:local], nil
	}
	if start+local+4 > len(page) {
		return nil, errTree
	}
	out := append(make([]byte, 0, length), page[start:][:local]...)
	next := binary.BigEndian.Uint32(page[start+local:])
	for len(out) < int(length) {
		p, err := db.page(next)
		if err != nil {
			return nil, errChain
		}
		next = binary.BigEndian.Uint32(p)
		out = append(out, p[4:][:min(db.usable-4, int(length)-len(out))]...)
	}
	return out, nil
}

// local is how many bytes of a payload a leaf holds ("B-tree Pages").
func (db *sqlite) local(length int) int {
	most := db.usable - 35
	if length <= most {
		return length
	}
	least := (db.usable-12)*32/255 - 23
	if k := least + (length-least)%(db.usable-4); k <= most {
		return k
	}
	return least
}

// column is one value of a row. kind is SQLite's serial type: 0 NULL, 1 to 6
// integers, 12 and above a blob (even) or text.
type column struct {
	kind uint64
	data []byte
}

var errRow = errors.New("its row is broken")

// columnsOf takes a row apart ("Record Format"): the length of its head, the
// type of each column, then the columns.
func columnsOf(row []byte) ([]column, error) {
	length, n := varint(row)
	if n == 0 || length > uint64(len(row)) || length < uint64(n) {
		return nil, errRow
	}
	head, body := row[n:length], row[length:]
	var out []column
	for len(head) > 0 {
		kind, n := varint(head)
		size := sizeOf(kind)
		if n == 0 || size > uint64(len(body)) || len(out) == maxColumns {
			return nil, errRow
		}
		out = append(out, column{kind, body[:size]})
		head, body = head[n:], body[size:]
	}
	return out, nil
}

// sizeOf is the length of a column by its type.
func sizeOf(kind uint64) uint64 {
	switch {
	case kind <= 4:
		return kind
	case kind == 5:
		return 6
	case kind == 6, kind == 7:
		return 8
	case kind < 12:
		return 0
	}
	return (kind - 12) / 2
}

// varint reads SQLite's number of one to nine bytes, and how many those are; 0
// where it is cut short.
func varint(data []byte) (value uint64, length int) {
	for i, b := range data[:min(len(data), 9)] {
		if i == 8 {
			return value<<8 | uint64(b), 9
		}
		value = value<<7 | uint64(b&0x7f)
		if b < 0x80 {
			return value, i + 1
		}
	}
	return 0, 0
}
