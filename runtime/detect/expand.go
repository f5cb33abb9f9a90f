package detect

import (
	"fmt"
	"strings"
)

// maxExpanded is how many values one value of a rule may become.
const maxExpanded = maxValues

// expand fills the placeholders of a value: each %name% becomes each value
// that a pipeline gives for it. An escaped \% is plain. unknown names a
// placeholder that no pipeline gives; the value then stands for nothing.
func (b *builder) expand(text string) (out []string, unknown string, err error) {
	out = []string{""}
	join := func(values ...string) error {
		if len(out)*len(values) > maxExpanded {
			return fmt.Errorf("%q expands to more than %d values", text, maxExpanded)
		}
		var next []string
		for _, head := range out {
			for _, v := range values {
				next = append(next, head+v)
			}
		}
		out = next
		return nil
	}
	plain := strings.Builder{}
	for rest := text; rest != ""; {
		if strings.HasPrefix(rest, `\%`) {
			plain.WriteByte('%')
			rest = rest[2:]
			continue
		}
		if strings.HasPrefix(rest, `\\`) { // a plain backslash escapes nothing
			plain.WriteString(rest[:2])
			rest = rest[2:]
			continue
		}
		name, after, ok := placeholder(rest)
		if !ok {
			plain.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		values, err := b.placeholder(name)
		if err != nil {
			return nil, "", err
		}
		if len(values) == 0 {
			return nil, name, nil
		}
		if err := join(plain.String()); err != nil {
			return nil, "", err
		}
		plain.Reset()
		if err := join(values...); err != nil {
			return nil, "", err
		}
		rest = after
	}
	return out, "", join(plain.String())
}

// placeholder reads the %name% that text begins with. A name has no spaces.
func placeholder(text string) (name, rest string, ok bool) {
	if text[0] != '%' {
		return "", "", false
	}
	name, rest, ok = strings.Cut(text[1:], "%")
	return name, rest, ok && name != "" && !strings.ContainsAny(name, " \t\\")
}
