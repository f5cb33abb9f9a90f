//go:build !linux

package render

// limitMemory does nothing: only Linux bounds what a process maps.
func limitMemory(uint64) error { return nil }
