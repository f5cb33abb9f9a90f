package main

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed facts
var factsFS embed.FS

// fact is one line of a facts file: its columns in order.
type fact []string

// readFacts reads a table of at least width columns. Lines that start with #
// name the columns.
func readFacts(name string, width int) ([]fact, error) {
	text, err := factsFS.ReadFile("facts/" + name)
	if err != nil {
		return nil, fmt.Errorf("reading facts: %w", err)
	}
	var rows []fact
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.Fields(line)
		if len(row) < width {
			return nil, fmt.Errorf("facts/%s:%d: %d columns, want %d", name, i+1, len(row), width)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// readAll joins the tables of several files, in order. A later file may
// replace a package of an earlier one, as an upper layer does.
func readAll(names []string, width int) ([]fact, error) {
	at := map[string]int{}
	var all []fact
	for _, name := range names {
		rows, err := readFacts(name, width)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if i, ok := at[row[0]]; ok {
				all[i] = row
				continue
			}
			at[row[0]] = len(all)
			all = append(all, row)
		}
	}
	return all, nil
}
