package render

import (
	"fmt"
	"syscall"
)

// limitMemory bounds the writable memory of this process (setrlimit(2),
// RLIMIT_DATA).
func limitMemory(bytes uint64) error {
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: bytes, Max: bytes}); err != nil {
		return fmt.Errorf("bounding the memory: %w", err)
	}
	return nil
}
