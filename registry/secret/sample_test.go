package secret

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"hash/crc32"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// Values are drawn at test time, so that no source holds what looks like a
// secret, not even to other scanners.

// draw returns n characters of a set, the same for a seed.
func draw(seed uint64, n int, chars string) string {
	r := mathrand.New(mathrand.NewPCG(seed, 7))
	out := make([]byte, n)
	for i := range out {
		out[i] = chars[r.IntN(len(chars))]
	}
	return string(out)
}

const (
	all62  = digits + upper + lower
	url64  = all62 + "-_"
	std64  = all62 + "+/"
	hex16  = digits + "abcdef"
	pemEnd = "-----END "
)

// summed is a token of GitHub or npm with its checksum.
func summed(prefix string, seed uint64) string {
	body := draw(seed, 30, all62)
	sum := crc32.ChecksumIEEE([]byte(body))
	tail := make([]byte, 6)
	for i := 5; i >= 0; i-- {
		tail[i] = all62[sum%62]
		sum /= 62
	}
	return prefix + "_" + body + string(tail)
}

func block(t testing.TB, label string, der []byte, headers map[string]string) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Headers: headers, Bytes: der}))
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func ecKey(t testing.TB) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func edKey(t testing.TB) []byte {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pkcs8(t, k)
}

func sshKey(cipher string, seed uint64) []byte {
	return append([]byte("openssh-key-v1\x00\x00\x00\x00"+string(rune(len(cipher)))+cipher), draw(seed, 200, std64)...)
}

func token64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func webTokenOf(header, claims string) string {
	return token64(header) + "." + token64(claims) + "." + draw(31, 43, url64)
}

// sample is a text that holds one secret: value, if it isn't the whole.
type sample struct{ name, path, text, value string }

// samples holds at least one text for each kind.
// Another shift draws other values.
func samplesOf(t testing.TB, shift uint64) map[string][]sample {
	draw := func(seed uint64, n int, chars string) string { return draw(seed+1000*shift, n, chars) }
	summed := func(prefix string, seed uint64) string { return summed(prefix, seed+1000*shift) }
	rsaDER := rsaKey()
	alg := `{"alg":"RS256","typ":"JWT"}`
	pypi := "pypi-" + token64("\x02\x01\x08pypi.org\x02\x24"+draw(11, 36, hex16)+draw(12, 60, url64))
	npmrc := "//registry.npmjs.org/:_authToken="
	mid := base64.StdEncoding.EncodeToString([]byte("OpenAI"))
	one := func(name, path, before, value, after string) sample {
		return sample{name, path, before + value + after, value}
	}
	userInfo := base64.StdEncoding.EncodeToString([]byte("robot:" + draw(1, 20, all62)))
	pkcs := block(t, "PRIVATE KEY", pkcs8(t, rsaDER), nil)
	pass := draw(2, 8, lower) + draw(3, 3, digits) + draw(4, 4, upper) + "!"
	awsID, awsSecret := "AKI"+"A"+draw(5, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), draw(6, 40, all62)
	signed := draw(45, 76, std64) + "+ASt" + draw(46, 6, std64) + "=="
	return map[string][]sample{
		privateKey: {
			one("RSA", "root/.ssh/id_rsa", "", block(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaDER), nil), ""),
			one("EC", "etc/ssl/key.pem", "# a comment\n", block(t, "EC PRIVATE KEY", ecKey(t), nil), ""),
			one("PKCS#8", "etc/ssl/key.pem", "", pkcs, ""),
			one("Ed25519", "etc/ssl/key.pem", "", block(t, "PRIVATE KEY", edKey(t), nil), ""),
			one("OpenSSH", "root/.ssh/id_ed25519", "", block(t, "OPENSSH PRIVATE KEY", sshKey("none", 1), nil), ""),
			one("in a string of JSON", "app/a.json", `{"key": "`, strings.ReplaceAll(pkcs, "\n", `\n`), `"}`),
			one("indented in YAML", "app/a.yaml", "key: |\n", strings.ReplaceAll("  "+pkcs, "\n", "\n  "), "x\n"),
			one("with CRLF", "app/a.pem", "", strings.ReplaceAll(pkcs, "\n", "\r\n"), ""),
			one("behind a certificate", "app/a.pem", block(t, "CERTIFICATE", []byte(draw(1, 900, all62)), nil), pkcs, ""),
		},
		encryptedKey: {
			one("PKCS#8", "a.pem", "", block(t, "ENCRYPTED PRIVATE KEY", pkcs8(t, rsaDER), nil), ""),
			one("old form", "a.pem", "", block(t, "RSA PRIVATE KEY", []byte(draw(8, 600, all62)), map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC," + draw(9, 32, "0123456789ABCDEF")}), ""),
			one("OpenSSH", "a", "", block(t, "OPENSSH PRIVATE KEY", sshKey("aes256-ctr", 1), nil), ""),
			one("PuTTY", "a.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: aes256-cbc\nComment: a\n", "Private-Lines: 1\n"+draw(10, 64, std64), "\nPrivate-MAC: 0\n"),
		},
		puttyKey: {one("", "a.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: a\n", "Private-Lines: 1\n"+draw(10, 64, std64), "\nPrivate-MAC: 0\n")},
		pgpKey:   {one("", "a.asc", "", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n"+base64.StdEncoding.EncodeToString(append([]byte{0x95, 3}, draw(11, 300, all62)...)), "\n"+pemEnd+"PGP PRIVATE KEY BLOCK-----\n")},
		ageKey:   {one("", "keys.txt", "# public key\n", "AGE-SECRET-"+"KEY-1"+draw(12, 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"), "\n")},
		awsKey: {
			{"pair", "root/.aws/credentials", "[default]\naws_access_key_id = " + awsID + "\naws_secret_access_key = " + awsSecret + "\n", awsSecret},
			{"secret alone", "app/x.env", "AWS_SECRET_ACCESS_KEY=" + awsSecret + "\n", awsSecret},
			{"pair without names", "app/x.csv", "u," + awsID + "," + awsSecret + "\n", awsSecret},
			{"JSON", "app/x.json", `{"AccessKeyId":"` + awsID + `","SecretAccessKey":"` + awsSecret + `"}`, awsSecret},
		},
		gcpAccount: {{"", "key.json", `{"type": "service_account", "project_id": "p", "private_key_id": "` + draw(13, 40, hex16) + `", "private_key": "` + strings.ReplaceAll(pkcs, "\n", `\n`) + `"}`, strings.ReplaceAll(pkcs, "\n", `\n`)}},
		azureKey: {
			one("storage", "a.cfg", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=", draw(14, 86, std64)+"==", ";EndpointSuffix=core.windows.net"),
			one("bus", "a.cfg", "Endpoint=sb://a/;SharedAccessKey=", draw(15, 43, std64)+"=", "\n"),
			one("by its signature", "a.sh", "az --k ", signed, "\n"),
		},
		azureSecret: {one("", "a.sh", "export X=", draw(16, 3, all62)+"8Q~"+draw(17, 34, url64+".~"), "\n")},
		githubToken: {
			one("personal", "a.sh", "git clone https://x-access-token:", summed("gh"+"p", 18), "@github.com/a/b\n"),
			one("action", "a", "\"", summed("gh"+"s", 19), "\""),
			one("fine-grained", "a", "", "github_"+"pat_"+draw(20, 22, all62)+"_"+draw(21, 59, all62), "\n"),
		},
		gitlabToken: {
			one("", "a", "", "glp"+"at-"+draw(22, 20, url64), "\n"),
			one("routable", "a", "", "glp"+"at-"+draw(23, 27, url64)+".01."+draw(24, 9, digits+lower), "\n"),
		},
		npmToken:       {one("", "root/.npmrc", npmrc, summed("npm", 25), "\n")},
		registryToken:  {one("", "root/.npmrc", "//npm.shop.internal/:_authToken=", draw(26, 36, hex16), "\n")},
		pypiToken:      {one("", "root/.pypirc", "[pypi]\nusername = __token__\npassword = ", pypi, "\n")},
		gemToken:       {one("", "root/.gem/credentials", ":rubygems_api_key: ", "ruby"+"gems_"+draw(27, 48, hex16), "\n")},
		slackToken:     {one("", "a.py", "t = '", "xo"+"xb-"+draw(28, 12, digits)+"-"+draw(29, 12, digits)+"-"+draw(30, 24, all62), "'\n")},
		slackWebhook:   {one("", "a.py", "https://hooks.sl"+"ack.com/services/T"+draw(31, 8, digits+upper)+"/B"+draw(32, 8, digits+upper)+"/", draw(33, 24, all62), "\n")},
		stripeKey:      {one("", "a.rb", "", "sk_"+"live_"+draw(34, 24, all62), "\n"), one("restricted", "a.rb", "", "rk_"+"live_"+draw(35, 99, all62), "\n")},
		twilioToken:    {one("", "a.env", "TWILIO_AUTH_TOKEN=", draw(36, 32, hex16), "\n")},
		sendgridKey:    {one("", "a.env", "K=", "S"+"G."+draw(37, 22, url64)+"."+draw(38, 43, url64), "\n")},
		oceanToken:     {one("", "a.env", "K=", "dop_"+"v1_"+draw(39, 64, hex16), "\n")},
		huggingToken:   {one("", "a.env", "K=", "h"+"f_"+draw(40, 34, lower+upper), "\n")},
		openaiKey:      {one("", "a.env", "K=", "sk-"+"proj-"+draw(41, 74, url64)+mid[:8]+draw(42, 74, url64), "\n")},
		anthropicKey:   {one("", "a.env", "K=", "sk-"+"ant-"+"api03-"+draw(43, 93, url64)+"AA", "\n")},
		googleKey:      {one("", "a.js", "k: '", "AI"+"za"+draw(44, 35, url64), "'")},
		dockerToken:    {one("", "a.sh", "docker login -p ", "dckr_"+"pat_"+draw(47, 27, url64), "\n")},
		terraformToken: {one("", "root/.terraform.d/credentials.tfrc.json", `"token": "`, draw(48, 14, all62)+".atlas"+"v1."+draw(49, 67, url64), `"`)},
		grafanaToken:   {one("", "a.sh", "", "gl"+"sa_"+draw(50, 32, all62)+"_"+draw(51, 8, hex16), "\n")},
		vaultToken: {
			one("", "a.sh", "", "hv"+"s."+draw(52, 92, url64), "\n"),
			one("old form", "root/.vault-token", "", "s."+draw(53, 24, all62), "\n"),
		},
		webToken: {
			one("", "a.txt", "Bearer ", webTokenOf(alg, `{"sub":"robot","iss":"shop"}`), "\n"),
			one("that ends", "a.txt", "Bearer ", webTokenOf(alg, `{"sub":"robot","exp":1900000000}`), "\n"),
		},
		dockerAuth:     {one("", "root/.docker/config.json", "{\"auths\": {\"registry.shop\": {\n\t\"auth\": \"", userInfo, "\"}}}"), one("old form", "root/.dockercfg", `{"registry.shop": {"auth":"`, userInfo, `"}}`)},
		netrc:          {one("", "root/.netrc", "machine a.shop login robot\n  password ", pass, "\n"), one("one line", "root/.netrc", "machine a.shop login robot password ", pass, "")},
		gitCredentials: {one("", "root/.git-credentials", "https://robot:", pass, "@git.shop\n")},
		pgpass:         {one("", "root/.pgpass", "# hosts\ndb:5432:*:robot:", pass, "\n")},
		mysqlOptions:   {one("", "root/.my.cnf", "[client]\nuser = root\npassword = \"", pass, "\"\n")},
		passwordHash: {
			one("bcrypt", "etc/nginx/.htpasswd", "robot:", "$2y$05$"+draw(54, 53, all62), "\n"),
			one("shadow", "etc/shadow", "daemon:*:19000:0:99999:7:::\nroot:", "$6$"+draw(55, 8, all62)+"$"+draw(56, 86, all62), ":19000:0:99999:7:::\n"),
		},
		kubeconfig: {
			one("key", "root/.kube/config", "users:\n- user:\n    client-key-data: ", base64.StdEncoding.EncodeToString([]byte(pkcs)), "\n"),
			one("token", "root/.kube/config", "users:\n- user:\n    token: ", draw(57, 40, all62), "\n"),
		},
		terraformState: {{"", "app/terraform.tfstate", "{\n  \"terraform_version\": \"1.9\",\n  \"resources\": [{\"instances\": [{\"attributes\": {}}]}]}", `"attributes"`}},
		railsKey:       {one("", "app/config/master.key", "", draw(58, 32, hex16), "\n")},
		urlPassword: {
			one("", "app/x.env", "DATABASE_URL=postgres://robot:", pass, "@db.shop:5432/x\n"),
			one("in code", "app/x.py", "connect('amqp://robot:", draw(59, 10, lower), "@queue.shop')\n"),
		},
		passwordAssignment: {
			one("quoted", "app/x.py", "DB_PASSWORD = \"", pass, "\"\n"),
			one("JSON", "app/x.json", `{"client_secret": "`, draw(60, 32, all62), `"}`),
			one("unquoted", "app/.env", "API_TOKEN=", draw(61, 40, hex16), "\n"),
			one("plain, in a variable", "app/.env", "DB_PASSWORD=", draw(67, 6, lower)+draw(68, 3, digits), "\n"),
			one("YAML", "app/a.yml", "apiKey: ", draw(62, 32, all62), "\n"),
			one("arrow", "app/a.rb", ":secret => '", draw(63, 32, all62), "'\n"),
			one("declared", "app/a.go", "apiKey := `", draw(66, 32, all62), "`\n"),
		},
	}
}

// scan pushes a text in blocks of n bytes.
func scan(path, text string, n int) (Result, []match) {
	var s Scanner
	if !s.Begin(path) {
		return s.End(), nil
	}
	for rest := []byte(text); len(rest) > 0; {
		k := min(n, len(rest))
		_, _ = s.Write(rest[:k])
		rest = rest[k:]
	}
	r := s.End()
	return r, s.found
}

func lineOf(text string, at int) int { return 1 + bytes.Count([]byte(text[:at]), newline) }
