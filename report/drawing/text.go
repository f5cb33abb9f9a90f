package drawing

import (
	"fmt"
	"strings"
	"unicode"
)

// Mask replaces what hostile text could do to a reader: control characters
// but tabs and line ends, and the marks that turn the direction of writing.
func Mask(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0xfffe, r == 0xffff:
		return '\uFFFD'
	}
	return r
}

// Clean masks text that has to stay on one line.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return Mask(r)
	}, s)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// escape makes text safe between tags and in attributes.
func escape(s string) string { return escaper.Replace(Clean(s)) }

// narrow and wide are letters whose width is far from the mean.
const (
	narrow = "iIjlt.,:;'|!()[]/\\rf -"
	wide   = "mwMW@%—…→"
)

// width estimates how wide text is drawn in a sans serif of a size, in pixels.
// It rather says too much.
func width(s string, px float64) float64 {
	em := 0.0
	for _, r := range s {
		switch {
		case strings.ContainsRune(narrow, r):
			em += .38
		case strings.ContainsRune(wide, r):
			em += .95
		case r >= 0x1100:
			em += 1.05
		case unicode.IsUpper(r), r > 0x7f:
			em += .74
		default:
			em += .59
		}
	}
	return em * px
}

// longest is how many letters of a text are looked at: a name may be of any
// length.
const longest = 300

// bounded is clean text of at most so many letters, its middle left out.
func bounded(s string) string {
	runes := []rune(Clean(s))
	if len(runes) <= longest {
		return string(runes)
	}
	return string(runes[:longest/3]) + "…" + string(runes[len(runes)-longest/2:])
}

// fit cuts text in the middle so that it is at most so wide: names differ at
// their ends.
func fit(s string, px, most float64) string {
	s = bounded(s)
	if width(s, px) <= most {
		return s
	}
	runes := []rune(s)
	for keep := len(runes) - 1; keep > 1; keep-- {
		head := keep / 3
		short := string(runes[:head]) + "…" + string(runes[len(runes)-(keep-head):])
		if width(short, px) <= most {
			return short
		}
	}
	return "…"
}

// wrap breaks text into at most so many lines, after / - . or a space where it
// can, and cuts the last.
func wrap(s string, px, most float64, lines int) []string {
	s = bounded(s)
	var out []string
	for len(out) < lines-1 && width(s, px) > most {
		cut, at := 0, 0
		for i, r := range s {
			if width(s[:i+len(string(r))], px) > most {
				break
			}
			at = i + len(string(r))
			if strings.ContainsRune("/-. :", r) {
				cut = at
			}
		}
		if cut == 0 {
			cut = at
		}
		if cut == 0 {
			break
		}
		out, s = append(out, strings.TrimSpace(s[:cut])), strings.TrimSpace(s[cut:])
	}
	return append(out, fit(s, px, most))
}

// num prints a coordinate: at most two decimals, no trailing zeros.
func num(v float64) string {
	text := strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
	if text == "-0" || text == "" {
		return "0"
	}
	return text
}
