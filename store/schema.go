package store

import (
	"embed"
	"fmt"
)

// migrations holds a folder for each database, and in it the steps from an
// empty database to today's schema, in the order of their names. A released
// step never changes; the schema's version is the number of steps made.
//
//go:embed migrations
var migrations embed.FS

// steps returns the texts of a database's migrations.
func steps(database string) ([]string, error) {
	dir := "migrations/" + database
	entries, err := migrations.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, e := range entries {
		text, err := migrations.ReadFile(dir + "/" + e.Name())
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}

// newer is the error of a database that a later release has migrated.
func newer(version, known int) error {
	return fmt.Errorf("its schema has version %d, and this release of scantling knows versions up to %d: use the release that wrote it, or a later one", version, known)
}
