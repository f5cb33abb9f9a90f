package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
)

const (
	leastKey = 60  // characters of base 64 in the shortest private key: Ed25519 in PKCS#8 has 64
	looked   = 200 // characters of a key that are decoded
)

// findPEM checks what stands around "PRIVATE KEY": the frame of a block, a
// body in base 64, and in it the beginning of a key. Blocks inside of strings,
// whose lines end in \n as two characters, count too.
func findPEM(p place) (value, bool) {
	begin := bytes.LastIndex(p.text[max(0, p.at-32):p.at], []byte("-----BEGIN "))
	if begin < 0 || !bytes.HasPrefix(p.text[p.end:], []byte("-----")) {
		return value{}, false
	}
	from := max(0, p.at-32) + begin
	label := string(bytes.TrimSpace(p.text[from+len("-----BEGIN ") : p.at]))
	body, to, headers := pemBody(p.text, p.end+len("-----"))
	data, err := base64.StdEncoding.DecodeString(string(body[:min(len(body), looked)/4*4]))
	if err != nil || len(body) < leastKey || example(body) {
		return value{}, false
	}
	v := value{kind: privateKey, from: from, to: to}
	locked := bytes.Contains(headers, []byte("ENCRYPTED"))
	switch label {
	case "OPENSSH":
		ok, cipher := openSSH(data)
		if !ok {
			return value{}, false
		}
		locked = cipher
	case "ENCRYPTED":
		locked = true
		if !bytes.HasPrefix(data, []byte{0x30}) {
			return value{}, false
		}
	case "", "RSA", "EC", "DSA", "ANY":
		if !locked && !isDER(data) {
			return value{}, false
		}
	default:
		return value{}, false
	}
	switch {
	case locked:
		v.kind = encryptedKey
	case label == "" && bytes.Contains(p.text[:p.at], []byte("private_key_id")):
		v.kind = gcpAccount
	}
	return v, true
}

// pemBody collects base 64 up to the end of a block, without what separates
// its lines. Headers stand before an empty line (RFC 1421).
func pemBody(text []byte, i int) (body []byte, end int, headers []byte) {
	if rest := text[i:min(len(text), i+400)]; bytes.Contains(rest, []byte("Proc-Type:")) {
		for _, gap := range []string{"\n\n", "\r\n\r\n", `\n\n`} {
			if at := bytes.Index(rest, []byte(gap)); at >= 0 {
				headers, i = rest[:at], i+at
				break
			}
		}
	}
	for i < len(text) {
		switch c := text[i]; {
		case base64Std[c] || c == '=':
			body = append(body, c)
		case c == '\\' && i+1 < len(text) && (text[i+1] == 'n' || text[i+1] == 'r' || text[i+1] == 't' || text[i+1] == '\n'):
			i++
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '"' || c == '\'' || c == ',' || c == '|' || c == '#':
		default:
			return body, i, headers
		}
		i++
	}
	return body, i, headers
}

// isDER knows the beginning of a key in DER: a sequence, and in it the number
// of its version, 0 or 1 (RFC 5958, 8017, 5915).
func isDER(data []byte) bool {
	if len(data) < 8 || data[0] != 0x30 {
		return false
	}
	i := 2
	if data[1] > 0x80 {
		i += int(data[1] & 0x7f)
	}
	return i+2 < len(data) && data[i] == 0x02 && data[i+1] == 0x01 && data[i+2] <= 1
}

// openSSH knows a key by its magic (PROTOCOL.key of OpenSSH), and whether a
// cipher protects it.
func openSSH(data []byte) (ok, locked bool) {
	rest, ok := bytes.CutPrefix(data, []byte("openssh-key-v1\x00"))
	if !ok || len(rest) < 8 {
		return false, false
	}
	return true, !bytes.HasPrefix(rest, []byte("\x00\x00\x00\x04none"))
}

// findPGP: armour (RFC 9580), whose first packet is a secret key (tag 5).
func findPGP(p place) (value, bool) {
	if !bytes.HasSuffix(p.text[:p.at], []byte("-----BEGIN PGP ")) {
		return value{}, false
	}
	text := p.text[p.end:]
	for _, gap := range []string{"\n\n", "\r\n\r\n", `\n\n`} {
		at := bytes.Index(text[:min(len(text), 2000)], []byte(gap))
		if at < 0 {
			continue
		}
		body, to, _ := pemBody(text, at)
		data, err := base64.StdEncoding.DecodeString(string(body[:min(len(body), looked)/4*4]))
		if err != nil || len(body) < leastKey {
			return value{}, false
		}
		if tag := data[0]; tag&0xfc == 0x94 || tag == 0xc5 {
			return value{kind: pgpKey, from: p.at - len("-----BEGIN PGP "), to: p.end + to}, true
		}
		return value{}, false
	}
	return value{}, false
}

func findPuTTY(p place) (value, bool) {
	end := bytes.Index(p.text[p.end:min(len(p.text), p.end+1000)], []byte("Private-Lines:"))
	if end < 0 {
		return value{}, false
	}
	kind := encryptedKey
	if bytes.Contains(p.text[p.end:p.end+end], []byte("Encryption: none")) {
		kind = puttyKey
	}
	from := p.end + end
	body, to, _ := pemBody(p.text, from+run(p.text[from+len("Private-Lines:"):], 0, setOf(" "+digits))+len("Private-Lines:"))
	return value{kind: kind, from: from, to: to}, len(body) >= 40
}

// findClientKey reads client-key-data of a kubeconfig: a block of PEM in base 64.
func findClientKey(p place) (value, bool) {
	from := run(p.text, p.end, setOf(" \t\""))
	to := run(p.text, from, base64Std)
	body := p.text[from:to]
	data, err := base64.StdEncoding.DecodeString(string(body[:min(len(body), 1024)/4*4]))
	if err != nil || len(body) < leastKey || !bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		return value{}, false
	}
	return value{kind: kubeconfig, from: from, to: to}, true
}

// findJWT decodes the two first parts of a token in compact form (RFC 7515).
// One that nobody signed, and the example of jwt.io, is none.
func findJWT(p place) (value, bool) {
	if !free(p.text, p.at, base64URL) {
		return value{}, false
	}
	head := run(p.text, p.at, base64URL)
	if head >= len(p.text) || p.text[head] != '.' || !bytes.HasPrefix(p.text[head+1:], []byte("eyJ")) {
		return value{}, false
	}
	claims := run(p.text, head+1, base64URL)
	if claims >= len(p.text) || p.text[claims] != '.' {
		return value{}, false
	}
	to := run(p.text, claims+1, base64URL)
	var header struct{ Alg string }
	var body struct {
		Sub, Name any
		Exp       float64
	}
	if to-claims < 21 || !decode(p.text[p.at:head], &header) || !decode(p.text[head+1:claims], &body) {
		return value{}, false
	}
	if !algorithms[header.Alg] || body.Sub == "1234567890" || body.Name == "John Doe" || example(p.text[claims+1:to]) {
		return value{}, false
	}
	v := value{kind: webToken, from: p.at, to: to}
	if body.Exp > 0 && body.Exp < 1<<40 {
		v.expires = int64(body.Exp)
	}
	return v, true
}

func decode(part []byte, into any) bool {
	data, err := base64.RawURLEncoding.DecodeString(string(part))
	return err == nil && json.Unmarshal(data, into) == nil
}

// algorithms are those that sign (RFC 7518, RFC 8037, RFC 8812).
var algorithms = map[string]bool{
	"HS256": true, "HS384": true, "HS512": true, "RS256": true, "RS384": true, "RS512": true,
	"ES256": true, "ES384": true, "ES512": true, "PS256": true, "PS384": true, "PS512": true, "EdDSA": true, "ES256K": true,
}

// findDockerAuth reads "auth": "BASE64" of config.json and .dockercfg, which
// is user:password, and "identitytoken".
func findDockerAuth(p place) (value, bool) {
	i := run(p.text, p.end, setOf(" \t"))
	if i >= len(p.text) || p.text[i] != ':' {
		return value{}, false
	}
	i = run(p.text, i+1, setOf(" \t\r\n"))
	if i >= len(p.text) || p.text[i] != '"' {
		return value{}, false
	}
	from := i + 1
	to := run(p.text, from, setOf(lower+upper+digits+"+/-_.="))
	if to >= len(p.text) || p.text[to] != '"' || to-from < 12 || placeholder(p.text[from:to]) {
		return value{}, false
	}
	v := value{kind: dockerAuth, from: from, to: to}
	if p.key == `"identitytoken"` {
		return v, random(p.text[from:to])
	}
	data, err := base64.StdEncoding.DecodeString(string(p.text[from:to]))
	user, password, ok := bytes.Cut(data, []byte(":"))
	if err != nil || !ok || len(user) == 0 || len(password) < 3 || !printable(data) || placeholder(password) {
		return value{}, false
	}
	return v, true
}
