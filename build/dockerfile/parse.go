package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/scantling/scantling/model"
)

// Parse reads one Dockerfile. name is used in positions and messages; args are
// the build arguments in use (--build-arg), nil for none.
//
// The File is never nil. A file that is broken gives a non-nil error, the
// first of File.Problems, of type Problem, and whatever could still be read
// around it is in the File. An instruction that can't be read is left out; a
// FROM that can't be read starts a stage with an unknown base.
func Parse(name string, data []byte, args map[string]string) (*File, error) {
	f := &File{Name: name, Escape: parser.DefaultEscapeToken, Lines: countLines(data)}
	if len(data) > MaxSize {
		f.problem(0, 0, fmt.Sprintf("is larger than %d bytes", MaxSize))
		return f, f.Err()
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	p := &reader{file: f, args: args, deadline: time.Now().Add(maxTime), lines: splitLines(data)}
	if err := guard(func() { p.read(data) }); err != nil {
		f.problem(0, 0, "cannot be read: "+err.Error())
	}
	sortProblems(f)
	return f, f.Err()
}

// guard runs fn and turns a panic of the libraries into an error.
func guard(fn func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser panicked: %v", r)
		}
	}()
	fn()
	return nil
}

func (f *File) problem(line, end int, why string) {
	f.Problems = append(f.Problems, Problem{
		Position: model.Position{File: f.Name, Line: min(line, f.Lines), EndLine: min(end, f.Lines)},
		Why:      oneLine(why),
	})
}

// reader carries the state of one Parse.
type reader struct {
	file      *File
	args      map[string]string
	deadline  time.Time
	lines     []string // without line ends
	commands  int      // shell commands kept so far
	scripts   int      // bytes of shell text so far
	pairsSeen int      // names in ENV, LABEL and ARG so far
	triggers  int      // ONBUILD instructions run so far
	expand    *expander
	global    *scope
	scopes    []*scope // of each stage, after its last instruction
	current   *Stage
	scope     *scope
	shell     []string
	shells    [][]string // of each stage at its end
}

func (p *reader) read(data []byte) {
	p.comments()
	result := p.tree(data)
	if result == nil {
		return
	}
	p.file.Escape = result.EscapeToken
	p.expand = newExpander(result.EscapeToken)
	p.global = newScope("is not declared before the first FROM")
	for name, value := range p.args {
		if _, ok := builderArgs[name]; ok {
			p.global.set(name, Literal(value))
		}
	}
	p.frontend(data)
	nodes := result.AST.Children
	if len(nodes) > MaxInstructions {
		p.file.problem(nodes[MaxInstructions].StartLine, 0, fmt.Sprintf("more than %d instructions: the rest is not read", MaxInstructions))
		nodes = nodes[:MaxInstructions]
	}
	p.nameStages(nodes)
	for _, node := range nodes {
		if time.Now().After(p.deadline) {
			p.file.problem(node.StartLine, 0, fmt.Sprintf("took longer than %s: the rest is not read", maxTime))
			break
		}
		if !p.node(node) {
			break
		}
	}
	p.endStage()
	if len(p.file.Stages) == 0 && len(p.file.Problems) == 0 {
		p.file.problem(1, 0, "has no FROM instruction")
	}
}

// tree runs BuildKit's line parser. Where it refuses an instruction, that one
// is blanked and the rest read again, so that one slip doesn't hide a file.
func (p *reader) tree(data []byte) *parser.Result {
	lines := bytes.SplitAfter(data, []byte("\n"))
	for range maxRepairs {
		result, err := parser.Parse(bytes.NewReader(bytes.Join(lines, nil)))
		if err == nil {
			p.gaps(result)
			return result
		}
		first, last := errorLines(err)
		p.file.problem(max(first, 1), last, reason(err))
		if first == 0 || first > len(lines) || !blank(lines, first, last) {
			return nil
		}
	}
	return nil
}

// gaps notes the empty lines inside continued instructions, which BuildKit
// warns of. After a repair they may be lines that were blanked here.
func (p *reader) gaps(result *parser.Result) {
	if len(p.file.Problems) > 0 {
		return
	}
	for _, w := range result.Warnings {
		if w.Location != nil && strings.Contains(w.URL, "no-empty-continuation") {
			p.file.Gaps = append(p.file.Gaps, p.position(w.Location.End.Line, w.Location.End.Line))
		}
	}
}

// blank empties the lines first to last, counted from 1, and reports whether
// that changed anything. An unterminated heredoc reaches to the end of the
// file, and is blanked with all of it.
func blank(lines [][]byte, first, last int) bool {
	changed := false
	for i := first; i <= min(max(first, last), len(lines)); i++ {
		if text := bytes.TrimRight(lines[i-1], "\r\n"); len(text) > 0 {
			lines[i-1] = lines[i-1][len(text):]
			changed = true
		}
	}
	return changed
}

// errorLines returns the first and last line that an error of the parser
// names, 0 where it names none.
func errorLines(err error) (first, last int) {
	var located *parser.LocationError
	if !errors.As(err, &located) {
		return 0, 0
	}
	for _, ranges := range located.Locations {
		for _, r := range ranges {
			if first == 0 || r.Start.Line < first {
				first = r.Start.Line
			}
			last = max(last, r.End.Line)
		}
	}
	if text := err.Error(); strings.Contains(text, "parser directive") || strings.Contains(text, "escape token") {
		first, last = first+1, last+1 // BuildKit counts the lines of directives from 0
	}
	return first, last
}

// reason is the innermost text of a parser's error. BuildKit's guess at what
// was meant depends on map order, so it is replaced by one that doesn't.
func reason(err error) string {
	var unknown *instructions.UnknownInstructionError
	if errors.As(err, &unknown) {
		// The word may be the rest of a broken ENV: what follows = stays here.
		word, _, _ := strings.Cut(unknown.Instruction, "=")
		text := "unknown instruction: " + word
		if guess := oneEditAway(strings.ToUpper(unknown.Instruction)); guess != "" {
			text += " (did you mean " + guess + "?)"
		}
		return text
	}
	text := err.Error()
	if _, rest, ok := strings.Cut(text, "dockerfile parse error on line "); ok {
		if _, why, ok := strings.Cut(rest, ": "); ok {
			text = why
		}
	}
	text, _, _ = strings.Cut(text, " (did you mean ")
	if strings.HasPrefix(text, "Syntax error - can't find =") {
		return "a word has no =: it must be of the form name=value"
	}
	return lastPart(text)
}

// keywords are the instructions of the Dockerfile reference, sorted.
var keywords = []string{
	"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
	"MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}

// oneEditAway is the first instruction that one letter more, less or
// exchanged makes of a word; empty where there is none.
func oneEditAway(word string) string {
	for _, k := range keywords {
		short, long := k, word
		if len(short) > len(long) {
			short, long = long, short
		}
		if len(long)-len(short) > 1 {
			continue
		}
		i := 0
		for i < len(short) && short[i] == long[i] {
			i++
		}
		rest := short[i:]
		if len(short) == len(long) && rest != "" {
			rest = rest[1:]
		}
		if i < len(long) && rest == long[i+1:] {
			return k
		}
	}
	return ""
}

// comments collects whole-line comments and directives.
func (p *reader) comments() {
	for i, line := range p.lines {
		text := strings.TrimSpace(strings.TrimPrefix(line, "\uFEFF"))
		if strings.HasPrefix(text, "#") {
			p.file.Comments = append(p.file.Comments, Comment{Line: i + 1, Text: strings.TrimSpace(text[1:])})
		}
	}
}

// frontend notes the `# syntax=` line.
func (p *reader) frontend(data []byte) {
	ref, _, where, ok := parser.DetectSyntax(data)
	if !ok {
		return
	}
	p.file.Syntax = ref
	line := 1
	if len(where) > 0 {
		line = max(where[0].Start.Line, 1)
	}
	p.file.Inputs = append(p.file.Inputs, p.imageInput("# syntax", FrontendInput, Literal(ref), -1, p.position(line, line)))
}

// nameStages learns the names of all stages beforehand, because COPY --from
// may name any of them.
func (p *reader) nameStages(nodes []*parser.Node) {
	index := 0
	for _, n := range nodes {
		if !strings.EqualFold(n.Value, "from") {
			continue
		}
		if index >= MaxStages {
			return
		}
		s := &Stage{Index: index, Position: p.position(n.StartLine, n.EndLine), Original: strings.TrimSpace(n.Original)}
		s.Base.Stage = -1
		p.file.Stages = append(p.file.Stages, s)
		index++
		if parsed, err := instructions.ParseInstruction(n); err == nil {
			if st, ok := parsed.(*instructions.Stage); ok {
				s.Name = st.Name
			}
		}
	}
}

// node reads one instruction; false ends the reading.
func (p *reader) node(n *parser.Node) bool {
	parsed, err := instructions.ParseInstruction(n)
	from := strings.EqualFold(n.Value, "from")
	if err != nil {
		p.file.problem(n.StartLine, n.EndLine, reason(err))
	}
	switch {
	case from:
		stage, _ := parsed.(*instructions.Stage)
		return p.startStage(n, stage)
	case err != nil:
	case p.current == nil:
		arg, ok := parsed.(*instructions.ArgCommand)
		if !ok {
			p.file.problem(n.StartLine, n.EndLine, strings.ToUpper(n.Value)+" stands before the first FROM")
			return true
		}
		p.globalArg(arg, n)
	default:
		cmd, ok := parsed.(instructions.Command)
		if !ok {
			return true
		}
		p.add(p.instruction(cmd, n, p.scope))
	}
	return true
}

// add appends an instruction to the stage in hand.
func (p *reader) add(in *Instruction) {
	if in != nil {
		p.current.Instructions = append(p.current.Instructions, in)
	}
}

// position makes a Position of lines, kept inside the file.
func (p *reader) position(line, end int) model.Position {
	line = min(max(line, 1), max(p.file.Lines, 1))
	end = min(max(end, line), max(p.file.Lines, 1))
	pos := model.Position{File: p.file.Name, Line: line, EndLine: end}
	if line <= len(p.lines) {
		text := p.lines[line-1]
		pos.Column = len(text) - len(strings.TrimLeft(text, " \t")) + 1
	}
	if end <= len(p.lines) {
		pos.EndColumn = max(len(strings.TrimRight(p.lines[end-1], " \t")), 0) + 1
	}
	return pos
}

func sortProblems(f *File) {
	for i := 1; i < len(f.Problems); i++ {
		for j := i; j > 0 && f.Problems[j].Position.Line < f.Problems[j-1].Position.Line; j-- {
			f.Problems[j], f.Problems[j-1] = f.Problems[j-1], f.Problems[j]
		}
	}
}

func countLines(data []byte) int {
	n := bytes.Count(data, []byte("\n"))
	if len(data) > 0 && data[len(data)-1] != '\n' {
		n++
	}
	return n
}

func splitLines(data []byte) []string {
	lines := strings.Split(string(data), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], "\r")
	}
	return lines
}

// oneLine keeps a message on one line and of a sane length.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		cut := 300
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return s
}
