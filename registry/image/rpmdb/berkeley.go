package rpmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The layout of a hash table of Berkeley DB (dbinc/db_page.h). Its first page
// says the size of pages; numbers have the byte order of the machine that made
// it. A hash page has a head, an array of offsets, and from its end downwards
// the items that they point to: keys and values by turns.
const (
	hashMagic = 0x061561

	metaMagic   = 12 // offsets on the first page
	metaVersion = 16
	metaSize    = 20
	metaCrypt   = 24 // one byte each
	metaType    = 25
	metaFlags   = 26
	metaLast    = 32 // the number of the last page
	metaLength  = 72

	pageHead     = 26
	pageNext     = 16 // offsets on other pages
	pageEntries  = 20
	pageFilled   = 22 // of an overflow page: bytes of data
	pageType     = 25
	typeUnsorted = 2 // pages of a hash table, those of versions before 4.6
	typeOverflow = 7
	typeMeta     = 8
	typeSorted   = 13

	itemPlain   = 1 // the value stands here
	itemOffPage = 3 // it stands on overflow pages
)

func isBerkeley(data []byte) bool {
	_, ok := byteOrder(data)
	return ok
}

// byteOrder finds out by the magic number how numbers are written.
func byteOrder(data []byte) (binary.ByteOrder, bool) {
	if len(data) < metaLength {
		return nil, false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint32(data[metaMagic:]) == hashMagic {
			return order, true
		}
	}
	return nil, false
}

// berkeley is an open table.
type berkeley struct {
	data  []byte
	order binary.ByteOrder
	size  int    // of a page
	seen  []bool // overflow pages that a value was read from
}

// readBerkeley goes through the pages of the table. Those that were given up
// have another type.
func readBerkeley(r *reader, data []byte) error {
	order, _ := byteOrder(data)
	size, last := order.Uint32(data[metaSize:]), order.Uint32(data[metaLast:])
	switch {
	case data[metaType] != typeMeta || data[metaCrypt] != 0 || data[metaFlags]&1 != 0:
		return fmt.Errorf("%w: a table of Berkeley DB that is encrypted, has checksums or is no hash", ErrForm)
	case size < 512 || size > 64<<10 || size&(size-1) != 0:
		return fmt.Errorf("%w: pages of %d bytes", ErrForm, size)
	}
	b := &berkeley{data: data, order: order, size: int(size)}
	pages := len(data) / b.size
	b.seen = make([]bool, pages)
	if uint64(last) >= uint64(pages) {
		if err := r.problem("its end", fmt.Errorf("it is cut short: %d pages of %d", pages, uint64(last)+1)); err != nil {
			return err
		}
	}
	for i := 1; i < pages; i++ {
		if kind := b.page(i)[pageType]; kind != typeSorted && kind != typeUnsorted {
			continue
		}
		if err := b.hashPage(r, i); err != nil {
			return err
		}
	}
	return nil
}

func (b *berkeley) page(i int) []byte { return b.data[i*b.size:][:b.size] }

// hashPage reads the pairs of one page.
func (b *berkeley) hashPage(r *reader, i int) error {
	page := b.page(i)
	where := fmt.Sprintf("page %d", i)
	entries := int(b.order.Uint16(page[pageEntries:]))
	if pageHead+2*entries > b.size || entries%2 != 0 {
		return r.problem(where, errors.New("it states more entries than it holds"))
	}
	end := b.size
	var key []byte
	for n := range entries {
		start := int(b.order.Uint16(page[pageHead+2*n:]))
		if start < pageHead+2*entries || start >= end {
			return r.problem(where, errors.New("its entries overlap"))
		}
		item := page[start:end]
		end = start
		if n%2 == 0 {
			key = item
			continue
		}
		if b.isCounter(key) {
			continue
		}
		if err := b.pair(r, where, item); err != nil {
			return err
		}
	}
	return nil
}

// pair takes in the value of a pair.
func (b *berkeley) pair(r *reader, where string, item []byte) error {
	offPage := item[0] == itemOffPage && len(item) >= 12
	length := uint64(len(item))
	if offPage {
		length = uint64(b.order.Uint32(item[8:]))
	}
	if err := r.claim(length); err != nil {
		return err
	}
	switch {
	case item[0] == itemPlain:
		return r.add(where, item[1:])
	case !offPage:
		return r.problem(where, fmt.Errorf("an entry of kind %d, which rpm doesn't write", item[0]))
	}
	blob, err := b.overflow(b.order.Uint32(item[4:]), int(length))
	if err != nil {
		return r.problem(where, err)
	}
	return r.add(where, blob)
}

// isCounter knows the key 0, under which rpm keeps the highest number that it
// gave a package.
func (b *berkeley) isCounter(key []byte) bool {
	return len(key) == 5 && key[0] == itemPlain && b.order.Uint32(key[1:]) == 0
}

// overflow joins a chain of pages. A page is read once for all values, so that
// no chain is endless.
func (b *berkeley) overflow(page uint32, length int) ([]byte, error) {
	out := make([]byte, 0, length)
	for page != 0 {
		if uint64(page) >= uint64(len(b.seen)) || b.seen[page] {
			return nil, errChain
		}
		b.seen[page] = true
		p := b.page(int(page))
		filled := int(b.order.Uint16(p[pageFilled:]))
		if p[pageType] != typeOverflow || pageHead+filled > b.size || len(out)+filled > length {
			return nil, errChain
		}
		out = append(out, p[pageHead:][:filled]...)
		page = b.order.Uint32(p[pageNext:])
	}
	if len(out) != length {
		return nil, errChain
	}
	return out, nil
}

// errChain is of both forms that have chains.
var errChain = errors.New("the chain of its pages is broken")
