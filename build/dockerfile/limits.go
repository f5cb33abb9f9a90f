package dockerfile

import "time"

// Bounds of what is read. Each is far above what real files need (the largest
// of 5,405 public Dockerfiles has 60 kB and 543 lines) and low enough that a
// hostile file costs megabytes and at most a few seconds.
const (
	// MaxSize is the largest Dockerfile in bytes.
	MaxSize = 1 << 20
	// MaxStages is the largest number of FROM instructions that are evaluated.
	MaxStages = 256
	// MaxInstructions is the largest number of instructions in a file.
	MaxInstructions = 10_000
	// MaxCommands is the largest number of shell commands kept of one RUN.
	MaxCommands = 2_000

	maxVariables    = 2_000    // names with a value in one stage, ports among them
	maxPairs        = 20_000   // names of all ENV, LABEL and ARG instructions
	maxFileCommands = 20_000   // shell commands kept of one file, triggers that run again included
	maxScript       = 64 << 10 // bytes of one script handed to the shell parser, which recurses
	maxScripts      = 4 << 20  // bytes of all scripts of a file, triggers that run again and nested ones included
	maxNesting      = 500      // open brackets in one script: bounds that recursion
	maxScriptDepth  = 4        // sh -c within sh -c
	maxWord         = 16 << 10 // bytes of one word that is expanded
	maxValue        = 4 << 10  // bytes of one value that other values may refer to
	maxPerWord      = 64 << 10 // bytes that variables may put into one word
	maxPerReplace   = 1 << 10  // the same where ${x//a/b} multiplies them
	maxPerFile      = 8 << 20  // bytes that variables may put into all words of a file
	maxRepairs      = 8        // unreadable instructions that are skipped before the file is given up
	maxTime         = 5 * time.Second
)

// Bounds of a search.
const (
	// MaxDepth is how many folders below the root Find descends.
	MaxDepth = 24
	// MaxFiles is the largest number of Dockerfiles that Find returns.
	MaxFiles = 10_000

	maxEntries = 1_000_000 // folder entries looked at
)
