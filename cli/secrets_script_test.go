package cli

import (
	"hash/crc32"
	"math/rand/v2"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scantling/scantling/oci/ocitest"
)

// leaky writes a layout of an image whose token stands in a file that a layer
// above removes, in a file that stays, in the environment and in a label. The
// variable gets the token: leaky DIR VARIABLE
func leaky(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: leaky DIR VARIABLE")
	}
	token := madeUp()
	base := small("leaky:1")
	base.Layers = append(base.Layers,
		ocitest.Tar(ocitest.Entry{Name: "root/.npmrc", Body: "# registry\n//npm.shop/:_authToken=" + token + "\n"}, ocitest.Entry{Name: "app/a.js", Body: "t = '" + token + "'\n"}),
		ocitest.Tar(ocitest.Entry{Name: "root/.wh..npmrc"}),
	)
	base.Env = []string{"GH_TOKEN=" + token}
	base.Labels["built-by"] = "ci " + token
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	_, err := ocitest.Write(dir, base)
	ts.Check(err)
	ts.Setenv(args[1], token)
}

// madeUp is a token of GitHub, with its checksum, that nobody issued.
func madeUp() string {
	const chars = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	r := rand.New(rand.NewPCG(1, 1))
	out := []byte("gh" + "p_")
	for range 30 {
		out = append(out, chars[r.IntN(len(chars))])
	}
	sum := crc32.ChecksumIEEE(out[4:])
	tail := make([]byte, 6)
	for i := 5; i >= 0; i-- {
		tail[i] = chars[sum%62]
		sum /= 62
	}
	return string(append(out, tail...))
}
