//go:build scanner

package store

import (
	"context"
	"errors"
)

// openPostgres is of the complete program: the scanner edition keeps what it
// knows in a file.
func openPostgres(context.Context, string) (engine, error) {
	return nil, errors.New("opening the store: this is the scanner edition; the complete program has PostgreSQL")
}
