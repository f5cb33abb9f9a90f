package image

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci/ocitest"
)

// single writes a .NET program in one file: a host, the list of its libraries,
// the header of its bundle.
func single(major uint32, list string) string {
	const before = "header's place: "
	host := elfSpec{kind: elfShared, interp: "/lib/ld.so", body: before + "12345678" + string(bundleMark)}.build()
	header := binary.LittleEndian.AppendUint32(nil, major)
	header = binary.LittleEndian.AppendUint32(header, 0)
	header = binary.LittleEndian.AppendUint32(header, 3)
	header = append(append(header, 12), "AAAAAAAAAAAA"...)
	header = binary.LittleEndian.AppendUint64(header, uint64(len(host)))
	header = binary.LittleEndian.AppendUint64(header, uint64(len(list)))
	header = append(header, make([]byte, 24)...)
	place := binary.LittleEndian.AppendUint64(nil, uint64(len(host)+len(list)))
	return strings.Replace(host, "12345678", string(place), 1) + list + string(header)
}

func TestBundle(t *testing.T) {
	if sum := sha256.Sum256([]byte(".net core bundle\n")); string(sum[:]) != string(bundleMark) {
		t.Error("the mark isn't what it is said to be")
	}
	whole := single(6, deps("x/linux-x64", "package Newtonsoft.Json/12.0.3", "runtimepack runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1"))
	host := elfSpec{kind: elfShared, interp: "/lib/ld.so", body: "\x00\x00\x00\x00\x00\x00\x00\x00" + string(bundleMark)}.build()
	inv := read(t, &Reader{}, layers(ocitest.Tar(
		file("app", whole), file("host", host), file("old", single(1, "{}")), file("torn", whole[:len(whole)-40]), file("cut", whole[:len(whole)-100]),
		file("empty", single(6, "")), file("nothing", single(6, "{}")), file("broken", single(6, "{")),
	)))
	want := []string{"0 Microsoft.NETCore.App.Runtime.linux-x64 8.0.1 /app", "0 Newtonsoft.Json 12.0.3 /app"}
	if diff := cmp.Diff(want, summary(inv)); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	matchIncomplete(t, inv, []string{
		"/old: a .NET program in one file: the list of its libraries isn't found in version 1", "/torn: a .NET program in one file: its header is broken",
		"/cut: a .NET program in one file: its header lies beyond", "/empty: a .NET program in one file: it holds no list",
		"/nothing: a .NET program in one file: its deps.json lists nothing", "/broken: its deps.json: unexpected end",
	})
}

func FuzzBundle(f *testing.F) {
	f.Add([]byte(single(6, deps("x/linux-x64", "package a/1"))))
	f.Add([]byte(single(1, "{}")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if found := bundle(inMemory(data)); found != nil && len(found.packages) == 0 && len(found.notes) == 0 && found.kind == foundUnread {
			t.Error("unread, and no reason")
		}
	})
}
