package cli

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// forgetStart gives back the memory of the parts of the program's own file
// that only its start needed: the libraries of clusters, charts and rules
// prepare themselves all over it, and Linux maps 64 KiB around each place, so
// that a start has some 40 MB resident. What is needed again is mapped again,
// from the cache of the file. Where anything can't be told nothing is done.
func forgetStart() {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, p := range unchangedParts(string(maps), own) {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, p[0], p[1]-p[0], syscall.MADV_DONTNEED)
	}
}

// unchangedParts are the addresses, from and to, at which a file is mapped as
// it is: not for writing, and without a page of its own, as that of a part
// that was relocated (proc_pid_smaps(5)).
func unchangedParts(maps, file string) (parts [][2]uintptr) {
	var now [2]uintptr
	candidate := false
	for line := range strings.Lines(maps) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if candidate && fields[0] == "Anonymous:" {
			if candidate = false; fields[1] == "0" {
				parts = append(parts, now)
			}
			continue
		}
		from, to, isHead := strings.Cut(fields[0], "-")
		if !isHead {
			continue
		}
		_, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "/")
		start, err1 := strconv.ParseUint(from, 16, strconv.IntSize)
		end, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
		candidate = err1 == nil && err2 == nil && start < end && "/"+name == file && (fields[1] == "r-xp" || fields[1] == "r--p")
		now = [2]uintptr{uintptr(start), uintptr(end)}
	}
	return parts
}
