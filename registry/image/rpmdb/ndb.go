package rpmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
)

// The layout of ndb (rpm, lib/backend/ndb/rpmpkg.c). Numbers are of 32 bits
// and little-endian. The file begins with slotPages pages of slots, the first
// two of which make room for the file's own head; a slot points to the blocks
// of one package, which hold a head, the header and a tail.
const (
	ndbMagic  = "RpmP"
	slotMagic = "Slot"
	headMagic = "BlbS"
	tailMagic = "BlbE"

	ndbPage  = 4096
	ndbSlot  = 16
	ndbBlock = 16
	ndbFirst = 32 // where the first slot is
	ndbHead  = 16 // magic, package, generation, length of the header
	ndbTail  = 12 // checksum, length of the header, magic
)

func isNDB(data []byte) bool { return len(data) >= ndbFirst && string(data[:4]) == ndbMagic }

var errBlob = errors.New("it points to no package, or to another one")

// readNDB goes through the slots.
func readNDB(r *reader, data []byte) error {
	if version := binary.LittleEndian.Uint32(data[4:]); version != 0 {
		return fmt.Errorf("%w: version %d of ndb", ErrForm, version)
	}
	pages := uint64(binary.LittleEndian.Uint32(data[12:]))
	if pages == 0 || pages*ndbPage > uint64(len(data)) {
		return fmt.Errorf("%w: its %d pages of slots are more than there are", ErrForm, pages)
	}
	slots := data[ndbFirst : pages*ndbPage]
	for i := 0; len(slots) >= ndbSlot; i, slots = i+1, slots[ndbSlot:] {
		offset := binary.LittleEndian.Uint32(slots[8:])
		where := fmt.Sprintf("slot %d", i)
		switch {
		case string(slots[:4]) != slotMagic:
			if err := r.problem(where, errors.New("it is no slot")); err != nil {
				return err
			}
			continue
		case offset == 0:
			continue // free
		}
		if err := r.claim(ndbBlock * uint64(binary.LittleEndian.Uint32(slots[12:]))); err != nil {
			return err
		}
		blob, err := ndbBlob(data, slots[:ndbSlot], pages)
		if err != nil {
			err = r.problem(where, err)
		} else {
			err = r.add(where, blob)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ndbBlob is the header that a slot points to.
func ndbBlob(data, slot []byte, pages uint64) ([]byte, error) {
	index := binary.LittleEndian.Uint32(slot[4:])
	start := ndbBlock * uint64(binary.LittleEndian.Uint32(slot[8:]))
	size := ndbBlock * uint64(binary.LittleEndian.Uint32(slot[12:]))
	if start < pages*ndbPage || start+size > uint64(len(data)) || size < ndbHead+ndbTail {
		return nil, errBlob
	}
	blocks := data[start:][:size]
	length := uint64(binary.LittleEndian.Uint32(blocks[12:]))
	tail := blocks[size-ndbTail:]
	switch {
	case string(blocks[:4]) != headMagic, binary.LittleEndian.Uint32(blocks[4:]) != index, string(tail[8:]) != tailMagic,
		length > size-ndbHead-ndbTail, uint64(binary.LittleEndian.Uint32(tail[4:])) != length:
		return nil, errBlob
	case adler32.Checksum(blocks[:size-ndbTail]) != binary.LittleEndian.Uint32(tail):
		return nil, errors.New("its checksum is wrong")
	}
	return blocks[ndbHead:][:length], nil
}
