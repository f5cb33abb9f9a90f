//go:build !linux

package cli

// forgetStart does something on Linux only.
func forgetStart() {}
