package rpmdb

import (
	"errors"
	"fmt"
)

// Package is what the header of one installed package says.
type Package struct {
	Name      string
	Epoch     string // digits; "" where the header has none, which counts as 0
	Version   string
	Release   string
	Vendor    string // who built it, as "AlmaLinux"; "" where not given
	Arch      string // "" for keys
	SourceRPM string // file name of the source package, as "bash-5.1.8-6.el9.src.rpm"; "" where not given
	Module    string // label of the module, as "nodejs:18:8080020230926:63b34585"; "" where it is of none
	header    header
}

// Problem is a part of a database that could not be read.
type Problem struct {
	Where string // as "page 12", "slot 3"
	Why   string
}

// ErrForm marks bytes that are no database of a known form.
var ErrForm = errors.New("not an rpm database of a known form")

// Read lists the packages of a database in the order of its pages, and what of
// it can't be read. The error says that nothing can. Packages refer to data,
// which must not be changed as long as Files is called.
func Read(data []byte) ([]Package, []Problem, error) {
	r := &reader{left: len(data)}
	var err error
	switch {
	case len(data) == 0:
		err = fmt.Errorf("%w: it is empty", ErrForm)
	case isSQLite(data):
		err = readSQLite(r, data)
	case isNDB(data):
		err = readNDB(r, data)
	case isBerkeley(data):
		err = readBerkeley(r, data)
	default:
		err = ErrForm
	}
	return r.packages, r.problems, err
}

// Bounds on one database. Distributions have fewer packages in all, and
// packages have fewer files.
const (
	MaxPackages = 1 << 17
	MaxFiles    = 1 << 20 // of a package
	maxProblems = 1000    // after them no more is read
	maxText     = 4096    // bytes of a name, version or label
)

// reader collects what a database holds.
type reader struct {
	packages []Package
	problems []Problem
	left     int // bytes of entries that may still come: all together aren't longer than the file
}

// Reasons to end the reading of a file.
var (
	errTwice  = errors.New("its entries are longer than the file: some overlap")
	errBroken = errors.New("too much of it is broken: it is not read to its end")
	errMany   = fmt.Errorf("a database is read up to %d packages", MaxPackages)
)

// leastEntry is what an entry counts at least, in bytes.
const leastEntry = 16

// claim counts an entry before it is joined or looked at, so that entries that
// share bytes don't cost more than the file. Its error ends the reading.
func (r *reader) claim(length uint64) error {
	if length > uint64(max(r.left, 0)) {
		return errTwice
	}
	r.left -= max(int(length), leastEntry)
	return nil
}

// add takes in the header that was found at a place. Its error ends the
// reading.
func (r *reader) add(where string, blob []byte) error {
	p, err := parse(blob)
	if err != nil {
		return r.problem(where, err)
	}
	if len(r.packages) == MaxPackages {
		return errMany
	}
	r.packages = append(r.packages, p)
	return nil
}

// problem notes what can't be read. Its error ends the reading.
func (r *reader) problem(where string, err error) error {
	if len(r.problems) == maxProblems {
		return errBroken
	}
	r.problems = append(r.problems, Problem{where, err.Error()})
	return nil
}
