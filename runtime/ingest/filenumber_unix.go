//go:build !windows

package ingest

import (
	"fmt"
	"os"
	"syscall"
)

// fileNumber is the file's device and inode.
func fileNumber(info os.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%x.%x", st.Dev, st.Ino)
	}
	return ""
}
