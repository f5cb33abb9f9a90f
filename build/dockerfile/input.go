package dockerfile

import (
	"strings"

	"github.com/distribution/reference"

	"github.com/scantling/scantling/model"
)

// ParseReference reads an image reference as Docker does: without a registry
// it is of docker.io, without a tag it has none (not "latest"). The error says
// what is wrong with the text.
func ParseReference(text string) (*Reference, error) {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return nil, err
	}
	r := &Reference{Registry: reference.Domain(named), Repository: reference.Path(named)}
	if tagged, ok := named.(reference.Tagged); ok {
		r.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		r.Digest = digested.Digest().String()
	}
	return r, nil
}

// imageInput describes an image that the build fetches. A text that isn't a
// reference becomes unknown.
func (p *reader) imageInput(via string, origin Origin, text Text, stage int, where model.Position) Input {
	in := Input{Origin: origin, Via: via, Text: text, Stage: stage, Position: where}
	if !text.Known {
		return in
	}
	ref, err := ParseReference(text.Value)
	if err != nil {
		in.Text.Known = false
		in.Text.Why = "not an image reference: " + oneLine(err.Error())
		return in
	}
	in.Ref = ref
	return in
}

// inputs notes what an instruction fetches.
func (p *reader) inputs(in *Instruction) {
	if in.Copy != nil {
		p.copyInputs(in)
	}
	if in.Run == nil {
		return
	}
	for _, m := range in.Run.Mounts {
		if m.From != "" && m.Stage < 0 && !isContext(m.From) {
			p.file.Inputs = append(p.file.Inputs, p.imageInput("RUN --mount", ImageInput, Literal(m.From), in.Stage, in.Position))
		}
	}
}

func (p *reader) copyInputs(in *Instruction) {
	c := in.Copy
	if c.From != "" {
		switch {
		case c.Stage >= 0 || isContext(c.From):
		case isNumber(c.From):
			p.file.problem(in.Position.Line, in.Position.EndLine, "COPY --from="+oneLine(c.From)+" names no stage")
		default:
			p.file.Inputs = append(p.file.Inputs, p.imageInput("COPY --from", ImageInput, Literal(c.From), in.Stage, in.Position))
		}
		return
	}
	if in.Kind != "ADD" {
		return
	}
	for _, src := range c.Sources {
		if origin := Remote(src.Value); origin != "" {
			p.file.Inputs = append(p.file.Inputs, Input{
				Origin: origin, Via: "ADD", Text: src, Checksum: c.Checksum, Stage: in.Stage, Position: in.Position,
			})
		}
	}
}

// isContext reports whether a --from means nothing from outside.
func isContext(name string) bool { return strings.EqualFold(name, "scratch") }

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// Remote says how ADD fetches a source; empty for a path of the context
// (dockerfile2llb, isHTTPSource and isGitSource).
func Remote(src string) Origin {
	lower := strings.ToLower(src)
	http := strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
	path, _, _ := strings.Cut(src, "#")
	path, _, _ = strings.Cut(path, "?")
	switch {
	case http && strings.HasSuffix(path, ".git"):
		return GitInput
	case http:
		return URLInput
	case strings.HasPrefix(lower, "git://") || strings.HasPrefix(lower, "ssh://") || strings.HasPrefix(lower, "git@"):
		return GitInput
	}
	return ""
}
