package cli

import (
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnchangedParts(t *testing.T) {
	const maps = `00400000-02296000 r-xp 00000000 fe:00 11026761                           /opt/a b/scantling
Rss:               26456 kB
Anonymous:             0 kB
02296000-04323000 r--p 01e96000 fe:00 11026761                           /opt/a b/scantling
Anonymous:             4 kB
AnonHugePages:         0 kB
04323000-04330000 r--p 01e96000 fe:00 11026761                           /opt/a b/scantling
Anonymous:             0 kB
04330000-04494000 rw-p 03f23000 fe:00 11026761                           /opt/a b/scantling
Anonymous:             0 kB
04494000-04495000 r-xs 03f23000 fe:00 11026761                           /opt/a b/scantling
Anonymous:             0 kB
05000000-05001000 r-xp 00000000 fe:00 1                                  /opt/a b/scantling2
Anonymous:             0 kB
05001000-05002000 r--p 00000000 00:00 0
Anonymous:             0 kB
06000000-05000000 r-xp 00000000 fe:00 1                                  /opt/a b/scantling
Anonymous:             0 kB
07000000-07001000 r-xp 00000000 fe:00 1                                  /opt/a b/scantling
`
	want := [][2]uintptr{{0x400000, 0x2296000}, {0x4323000, 0x4330000}}
	if diff := cmp.Diff(want, unchangedParts(maps, "/opt/a b/scantling")); diff != "" {
		t.Error(diff)
	}
}

// TestForgetStart: less of the program is resident afterwards, and it runs on.
func TestForgetStart(t *testing.T) {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	resident := func() (kilobytes int) {
		maps, err := os.ReadFile("/proc/self/smaps")
		if err != nil {
			t.Skip(err)
		}
		mine := false
		for line := range strings.Lines(string(maps)) {
			switch f := strings.Fields(line); {
			case strings.Contains(f[0], "-"):
				mine = strings.HasSuffix(line, own+"\n")
			case mine && f[0] == "Rss:":
				n, err := strconv.Atoi(f[1])
				if err != nil {
					t.Fatal(err)
				}
				kilobytes += n
			}
		}
		return kilobytes
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skip(err)
	}
	defer memory.Close()
	for _, p := range unchangedParts(string(maps), own) { // all of it is needed, and so resident
		if _, err := io.Copy(io.Discard, io.NewSectionReader(memory, int64(p[0]), int64(p[1]-p[0]))); err != nil {
			t.Skip(err)
		}
	}
	before := resident()
	forgetStart()
	if after := resident(); before == 0 || after > before/2 {
		t.Errorf("%d KiB resident, %d before", after, before)
	}
}
