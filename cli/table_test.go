package cli

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	rows := func() [][]string {
		return [][]string{{"a", "1", "short"}, {"日本", "20", "a much longer\x1bcell"}, {"e\u0301e", "3", ""}}
	}
	for name, tc := range map[string]struct {
		width int
		want  string
	}{
		"a pipe": {0, "  a        1 short\n  日本    20 a much longer�cell\n  e\u0301e       3\n"},
		"wide":   {80, "  a        1 short\n  日本    20 a much longer�cell\n  e\u0301e       3\n"},
		"narrow": {14, "  a     1 sho…\n  日本 20 a m…\n  e\u0301e    3\n"},
		"inside": {5, "  a …\n  日…\n  e\u0301e…\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := (&app{IO: IO{Width: tc.width}}).table(&out, "  ", []int{1, -5, 0}, rows()); err != nil {
				t.Fatal(err)
			}
			if out.String() != tc.want {
				t.Errorf("got\n%swant\n%s", out.String(), tc.want)
			}
		})
	}
	if err := new(app).table(&strings.Builder{}, "", []int{1}, nil); err != nil {
		t.Error(err)
	}
}
