package dockerfile

import (
	"fmt"

	"github.com/scantling/scantling/model"
)

// Text is a value that may depend on things outside the file. Where Known is
// false, Value still holds the text with every part that could be resolved,
// the others left as written (`https://example.org/$VERSION.tgz`), and Why
// says what is missing. The zero Text is unknown.
type Text struct {
	Value string
	Known bool
	Why   string // empty where Known
	Raw   string // as written
}

// Literal is a known text.
func Literal(s string) Text { return Text{Value: s, Known: true, Raw: s} }

// Is reports whether t is known to equal s.
func (t Text) Is(s string) bool { return t.Known && t.Value == s }

// File is one Dockerfile, read and evaluated.
type File struct {
	Name     string // as given: the argument joined with the path below it
	Syntax   string // value of the `# syntax=` line; empty where there is none
	Escape   rune   // escape character, '\\' or '`'
	Lines    int    // number of lines
	Args     []Arg  // ARG instructions before the first FROM
	Stages   []*Stage
	Inputs   []Input          // everything that comes from outside, in file order
	Comments []Comment        // whole-line comments and parser directives, in file order
	Gaps     []model.Position // empty lines inside a continued instruction, of a file whose lines could all be read
	Ignore   *Ignore          // of the build context; nil where nobody looked, or it can't be read
	Problems []Problem        // what couldn't be read, by line
}

// Err is nil where the whole file could be read; otherwise the first problem.
func (f *File) Err() error {
	if len(f.Problems) == 0 {
		return nil
	}
	return f.Problems[0]
}

// Final returns the stage that a build without --target produces, nil where
// the file has none.
func (f *File) Final() *Stage {
	if len(f.Stages) == 0 {
		return nil
	}
	return f.Stages[len(f.Stages)-1]
}

// Problem is a part of a file that couldn't be read. It is an error whose text
// is one line, `Dockerfile:7: unknown instruction: RUNN`.
type Problem struct {
	Position model.Position
	Why      string
}

// Error returns `file:line: why`, without the line where none is known.
func (p Problem) Error() string {
	if p.Position.Line == 0 {
		return p.Position.File + ": " + p.Why
	}
	return fmt.Sprintf("%s:%d: %s", p.Position.File, p.Position.Line, p.Why)
}

// Comment is a comment line without its `#` and surrounding blanks.
type Comment struct {
	Line int
	Text string
}

// Arg is one name of an ARG instruction.
type Arg struct {
	Name     string
	Default  Text // its expanded default; zero where HasValue is false
	HasValue bool
	Value    Text // what the name stands for afterwards
	Position model.Position
}

// Stage is a FROM instruction with the instructions below it.
type Stage struct {
	Index        int
	Name         string // lower case; empty where it has none
	Base         Base
	Platform     Text     // value of --platform; zero where there is none
	Undeclared   []string // names in FROM that no ARG before the first FROM declares, nor the builder; sorted
	Instructions []*Instruction
	End          State // after the last instruction, what is inherited from stages of this file included
	Position     model.Position
	Original     string // text of the FROM instruction
}

// Base is what a stage starts from. Exactly one of Scratch, Stage >= 0, Ref
// and an unknown Text holds.
type Base struct {
	Text    Text       // the name after expansion
	Scratch bool       // the empty image
	Stage   int        // index of the stage of this file, -1 for anything else
	Ref     *Reference // the image
}

// External reports whether the base comes from outside the file, or may.
func (b Base) External() bool { return !b.Scratch && b.Stage < 0 }

// Reference is an image reference in its parts, normalised as Docker does
// (github.com/distribution/reference).
type Reference struct {
	Registry   string // "docker.io" where none is written
	Repository string // "library/alpine"
	Tag        string // empty where none is written
	Digest     string // "sha256:…"; empty where none is written
}

// Name is registry and repository, without tag and digest.
func (r Reference) Name() string { return r.Registry + "/" + r.Repository }

// String is the full reference, without a tag that wasn't written.
func (r Reference) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// State is the configuration that an image built from a stage would have.
type State struct {
	User        Setting
	Workdir     Setting
	Env         []Variable // sorted by name; what the file sets, not what the base image has
	Labels      []Variable // sorted by name; the same
	Expose      []Text     // sorted, as written: "8080/tcp"
	Healthcheck *Instruction
	Entrypoint  *Instruction
	Cmd         *Instruction
}

// Setting is a value with the place that set it. Position is zero where the
// file sets nothing: the text is then known to be empty on scratch and
// unknown on a base image.
type Setting struct {
	Text
	Position model.Position
}

// Set reports whether the file sets the value.
func (s Setting) Set() bool { return s.Position.Line != 0 }

// Variable is a named value and the place that set it.
type Variable struct {
	Name string
	Text
	Position model.Position
}

// Instruction is one instruction, with the fields of its kind set.
type Instruction struct {
	Kind     string // upper case: RUN, COPY, …
	Original string // with continuation lines joined, without comments and heredocs
	Position model.Position
	Stage    int
	Trigger  bool // runs here because the parent stage has it as ONBUILD

	Args     []Arg        // ARG
	Pairs    []Variable   // ENV and LABEL; for LABEL the name may be expanded too
	Value    Text         // USER, WORKDIR, STOPSIGNAL, MAINTAINER
	Words    []Text       // EXPOSE, VOLUME; CMD, ENTRYPOINT, HEALTHCHECK in exec form
	Copy     *Copy        // COPY and ADD
	Run      *Run         // RUN; CMD, ENTRYPOINT and HEALTHCHECK in either form
	OnBuild  *Instruction // ONBUILD
	Heredocs []Heredoc    // of COPY, ADD and RUN
	Unset    []string     // names in its words that are certain to have no value, as on scratch; sorted
}

// Copy is the content of a COPY or ADD.
type Copy struct {
	Sources  []Text // paths, URLs and git references; heredocs are not among them
	Dest     Text
	From     string // of --from as written; empty where there is none
	Stage    int    // stage that From names, -1 where it names none
	Checksum Text   // of --checksum; zero where there is none
	Chmod    Text   // of --chmod; zero where there is none
	Chown    Text   // of --chown; zero where there is none
}

// Heredoc is an inline document.
type Heredoc struct {
	Name    string
	Content string
}

// Run is a command line that a container would execute.
type Run struct {
	Exec     bool     // JSON form: started without a shell
	Shell    []string // that reads the text; nil for the exec form
	Mounts   []Mount
	Network  string    // of --network: "none", "host"; empty for the default
	Security string    // of --security: "insecure"; empty for the default
	Commands []Command // in the order of the text
	Unread   string    // why the text, or a part of it, couldn't be read as commands; empty where all was
}

// Mount is a --mount of a RUN.
type Mount struct {
	Type   string
	From   string // stage or image; empty where there is none
	Stage  int    // stage that From names, -1 where it names none
	Target string // as written; empty where it is left to the builder
	ID     string // of a secret or cache; empty where there is none
}

// Command is one simple command of a script.
type Command struct {
	Name    Text   // first word; known to be empty for a bare assignment
	Args    []Text // the other words, after field splitting of known values
	Assigns []Variable
	// Stdin holds the indexes, in the same list, of the commands whose output
	// this command reads through a pipe, and Inner of those in substitutions
	// among its words: $(…), `…`, <(…).
	Stdin []int
	Inner []int
	// Parent is the index of the command whose argument (sh -c TEXT) or
	// heredoc holds this one, -1 for none.
	Parent   int
	Redirs   []Redirect
	Maybe    bool // runs only under a condition: after ||, in if, case, a loop or a function
	Ignored  bool // its failure doesn't stop the script: followed by || true and the like
	Position model.Position
}

// Redirect is a redirection of a command: Op as in the shell, as ">".
type Redirect struct {
	Op     string
	Target Text
	Doc    string // content of a heredoc
}

// Origin says how an Input is fetched.
type Origin string

// The kinds of input.
const (
	ImageInput    Origin = "image"    // FROM, COPY --from, RUN --mount=from
	FrontendInput Origin = "frontend" // `# syntax=`: the image that reads the file
	URLInput      Origin = "url"      // ADD of an HTTP address
	GitInput      Origin = "git"      // ADD of a git repository
)

// Input is one thing that the build fetches before or beside its commands.
// What commands fetch themselves is not among them.
type Input struct {
	Origin   Origin
	Via      string // "FROM", "COPY --from", "RUN --mount", "ADD", "# syntax"
	Text     Text
	Ref      *Reference // of an image whose name is known and valid
	Checksum Text       // of ADD; zero where there is none
	Stage    int        // -1 for the frontend
	Position model.Position
}
