package secret

import (
	"bytes"
	"path"
	"strings"
)

// storeOf returns the reader of a file that is known by its name, or nil. The
// readers get a text of at most maxStore bytes and return the values in it.
func storeOf(name string) func(text []byte) []value {
	base := path.Base(name)
	switch base {
	case ".netrc", "_netrc":
		return readNetrc
	case ".git-credentials":
		return readGitCredentials
	case ".pgpass", "pgpass.conf":
		return readPgpass
	case ".my.cnf", ".mylogin.cnf":
		return readMySQL
	case ".htpasswd", "htpasswd":
		return readHashes
	case ".vault-token":
		return readVault
	case "master.key":
		return readRails
	case ".pypirc", ".s3cfg", ".boto", "rclone.conf":
		return readIni
	case "kubeconfig", "admin.conf", "kubelet.conf":
		return readKubeconfig
	case "config":
		if strings.HasSuffix(name, ".kube/config") {
			return readKubeconfig
		}
	}
	switch {
	case name == "etc/shadow" || name == "etc/gshadow" || name == "etc/shadow-":
		return readHashes
	case strings.HasSuffix(base, ".tfstate") || strings.HasSuffix(base, ".tfstate.backup"):
		return readState
	case strings.Contains(name, "config/credentials/") && strings.HasSuffix(base, ".key"):
		return readRails
	}
	return nil
}

// lines calls visit with each line and where it begins, comments left out.
func lines(text []byte, visit func(at int, line []byte)) {
	at := 0
	for line := range bytes.Lines(text) {
		if t := bytes.TrimSpace(line); len(t) > 0 && t[0] != '#' {
			visit(at, bytes.TrimRight(line, "\r\n"))
		}
		at += len(line)
	}
}

// readNetrc: "password VALUE" anywhere, in tokens that white space parts.
func readNetrc(text []byte) (out []value) {
	lines(text, func(at int, line []byte) {
		after := false
		for i := 0; i < len(line); {
			from := i + len(line[i:]) - len(bytes.TrimLeft(line[i:], " \t"))
			to := from
			for to < len(line) && line[to] != ' ' && line[to] != '\t' {
				to++
			}
			if after && to > from && !standIn(line[from:to]) {
				out = append(out, value{kind: netrc, from: at + from, to: at + to})
			}
			after = string(line[from:to]) == "password"
			i = max(to, i+1)
		}
	})
	return out
}

// readGitCredentials: a URL with user and password a line.
func readGitCredentials(text []byte) (out []value) {
	lines(text, func(at int, line []byte) {
		_, rest, ok := bytes.Cut(line, []byte("://"))
		login, _, has := bytes.Cut(rest, []byte("@"))
		colon := bytes.IndexByte(login, ':')
		if !ok || !has || colon < 0 || standIn(login[colon+1:]) {
			return
		}
		from := at + len(line) - len(rest) + colon + 1
		out = append(out, value{kind: gitCredentials, from: from, to: from + len(login) - colon - 1})
	})
	return out
}

// readPgpass: host:port:database:user:password, where \ keeps a colon.
func readPgpass(text []byte) (out []value) {
	lines(text, func(at int, line []byte) {
		fields, i := 0, 0
		for ; i < len(line) && fields < 4; i++ {
			switch line[i] {
			case '\\':
				i++
			case ':':
				fields++
			}
		}
		if fields == 4 && i < len(line) && !standIn(line[i:]) {
			out = append(out, value{kind: pgpass, from: at + i, to: at + len(line)})
		}
	})
	return out
}

func readMySQL(text []byte) []value { return readAssigned(text, mysqlOptions, "password", "pass") }

func readIni(text []byte) []value {
	return readAssigned(text, passwordAssignment, "password", "secret_key", "pass", "gs_oauth2_refresh_token", "secret_access_key", "token")
}

// readAssigned: NAME = value a line.
func readAssigned(text []byte, kind string, names ...string) (out []value) {
	lines(text, func(at int, line []byte) {
		name, rest, ok := bytes.Cut(line, []byte("="))
		v := bytes.Trim(rest, " \t\"'")
		if !ok || len(v) < 4 || standIn(v) {
			return
		}
		for _, n := range names {
			if strings.EqualFold(strings.TrimSpace(string(name)), n) {
				from := at + len(name) + 1 + bytes.Index(rest, v)
				out = append(out, value{kind: kind, from: from, to: from + len(v)})
			}
		}
	})
	return out
}

// readHashes: NAME:HASH, with the hashes of crypt(5) and of htpasswd.
func readHashes(text []byte) (out []value) {
	lines(text, func(at int, line []byte) {
		name, rest, ok := bytes.Cut(line, []byte(":"))
		hash, _, _ := bytes.Cut(rest, []byte(":"))
		isHash := len(hash) > 20 && hash[0] == '$' || bytes.HasPrefix(hash, []byte("{SHA}")) || len(hash) == 13 && run(hash, 0, setOf(lower+upper+digits+"./")) == 13
		if ok && len(name) > 0 && isHash {
			from := at + len(name) + 1
			out = append(out, value{kind: passwordHash, from: from, to: from + len(hash)})
		}
	})
	return out
}

// readVault: the token alone, of any of its forms.
func readVault(text []byte) []value {
	t := bytes.TrimSpace(text)
	if len(t) < 20 || len(t) > 400 || run(t, 0, dotted) != len(t) || !random(t) {
		return nil
	}
	from := bytes.Index(text, t)
	return []value{{kind: vaultToken, from: from, to: from + len(t)}}
}

// readRails: 32 digits of base 16 alone.
func readRails(text []byte) []value {
	t := bytes.TrimSpace(text)
	if len(t) != 32 || run(t, 0, hexLower) != 32 || !random(t) {
		return nil
	}
	from := bytes.Index(text, t)
	return []value{{kind: railsKey, from: from, to: from + len(t)}}
}

// readKubeconfig: token and password of a user.
func readKubeconfig(text []byte) (out []value) {
	lines(text, func(at int, line []byte) {
		name, rest, ok := bytes.Cut(line, []byte(":"))
		v := bytes.Trim(rest, " \t\"'")
		key := strings.Trim(string(name), " \t-")
		if !ok || key != "token" && key != "password" || len(v) < leastPassword || standIn(v) {
			return
		}
		from := at + len(name) + 1 + bytes.Index(rest, v)
		out = append(out, value{kind: kubeconfig, from: from, to: from + len(v)})
	})
	return out
}

// readState: a state with resources holds their attributes in clear text,
// passwords with them. The whole is one hit.
func readState(text []byte) []value {
	if !bytes.Contains(text, []byte(`"terraform_version"`)) || !bytes.Contains(text, []byte(`"attributes"`)) {
		return nil
	}
	from := bytes.Index(text, []byte(`"attributes"`))
	return []value{{kind: terraformState, from: from, to: from + len(`"attributes"`)}}
}
