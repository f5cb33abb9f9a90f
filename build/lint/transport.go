package lint

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// insecureTransport is the check of that name: everything that makes a program
// accept what nobody vouches for.
func insecureTransport(s *subject) []rule.Hit {
	var hits []rule.Hit
	fail := func(at model.Position, what string) {
		hits = append(hits, rule.Hit{
			Verdict: model.Fail, Position: at, Cause: what, Message: what,
			Evidence: []model.Evidence{{What: what, Where: place(at)}},
		})
	}
	s.each(func(in *dockerfile.Instruction) {
		for _, v := range settings(in) {
			switch what := offByVariable(v.Name, v.Text); {
			case what == "":
			case v.Known:
				fail(v.Position, what)
			default:
				hits = append(hits, rule.Hit{Verdict: model.Unknown, Position: v.Position, Cause: what, Message: what + ", or not: " + v.Why})
			}
		}
		if in.Kind != "RUN" || in.Run == nil {
			return
		}
		for _, c := range in.Run.Commands {
			name, args := c.Program()
			for _, what := range offByCommand(name.Value, args) {
				fail(c.Position, what)
			}
		}
	})
	for _, a := range s.file.Args {
		if what := offByVariable(a.Name, a.Default); what != "" && a.HasValue && a.Default.Known {
			fail(a.Position, what)
		}
	}
	for _, fx := range s.ledger.fetches {
		if strings.HasPrefix(strings.ToLower(fx.url.Value), "http://") && !fx.verified {
			fail(fx.at, fmt.Sprintf("%s fetches %s without encryption", fx.via, safeURL(fx.url.Value)))
		}
	}
	return append(hits, s.unreadHits()...)
}

// settings are the variables that an instruction sets, those that its commands
// set among them.
func settings(in *dockerfile.Instruction) []dockerfile.Variable {
	var out []dockerfile.Variable
	if in.Kind == "ENV" {
		out = append(out, in.Pairs...)
	}
	for _, a := range in.Args {
		if a.HasValue {
			out = append(out, dockerfile.Variable{Name: a.Name, Text: a.Default, Position: a.Position})
		}
	}
	if in.Kind == "RUN" && in.Run != nil {
		for _, c := range in.Run.Commands {
			out = append(out, c.Assigns...)
			for _, a := range c.Args {
				if name, value, ok := strings.Cut(a.Value, "="); ok && c.Name.Is("env") {
					out = append(out, dockerfile.Variable{Name: name, Text: dockerfile.Text{Value: value, Known: a.Known, Why: a.Why}, Position: c.Position})
				}
			}
		}
	}
	for i := range out {
		if out[i].Position.Line == 0 {
			out[i].Position = in.Position
		}
	}
	return out
}

// offByVariable says what a variable switches off; empty for nothing. Where
// its value isn't known, it says what it might.
func offByVariable(name string, t dockerfile.Text) string {
	value := strings.ToLower(t.Value)
	is := func(list ...string) bool {
		if !t.Known {
			return true
		}
		for _, v := range list {
			if value == v {
				return true
			}
		}
		return false
	}
	switch {
	case name == "NODE_TLS_REJECT_UNAUTHORIZED" && is("0"):
		return "NODE_TLS_REJECT_UNAUTHORIZED turns off certificate checks of Node.js"
	case strings.EqualFold(name, "NPM_CONFIG_STRICT_SSL") && is("false", "0"):
		return "NPM_CONFIG_STRICT_SSL turns off certificate checks of npm"
	case name == "PYTHONHTTPSVERIFY" && is("0"):
		return "PYTHONHTTPSVERIFY turns off certificate checks of Python"
	case name == "GIT_SSL_NO_VERIFY" && t.Known:
		// git looks whether the variable is there, not at its value.
		return "GIT_SSL_NO_VERIFY turns off certificate checks of git"
	case name == "PIP_TRUSTED_HOST" && (!t.Known || value != ""):
		return "PIP_TRUSTED_HOST turns off certificate checks of pip"
	case (name == "GOINSECURE" || name == "GONOSUMDB" && value == "*" || name == "GONOSUMCHECK" && value == "1") && t.Known && value != "":
		return name + " turns off checks of Go modules"
	case name == "GOSUMDB" && t.Known && value == "off":
		return "GOSUMDB=off turns off checksum checks of Go modules"
	}
	return ""
}

var (
	sslVerifyOff = regexp.MustCompile(`(?i)(^|[.=*\s])sslverify=['"]?(0|false|no|off)['"]?$`)
	gpgCheckOff  = regexp.MustCompile(`(?i)(^|[.=*\s])(repo_)?gpgcheck=['"]?(0|false|no|off)['"]?$`)
	plainHTTP    = regexp.MustCompile(`(?i)^http://`)
	aptInsecure  = regexp.MustCompile(`(?i)(AllowInsecureRepositories|AllowUnauthenticated|AllowDowngradeToInsecureRepositories|Verify-Peer|Check-Valid-Until-none)=['"]?([^'"]*)['"]?$`)
	trustedYes   = regexp.MustCompile(`\[[^\]]*\btrusted=yes\b[^\]]*\]`)
)

// offByCommand says what the flags of a command switch off.
func offByCommand(name string, args []dockerfile.Text) []string {
	name, args = pythonModule(name, args)
	has := func(flags ...string) string {
		for _, a := range args {
			for _, f := range flags {
				if a.Value == f || strings.HasPrefix(a.Value, f+"=") && !strings.HasSuffix(a.Value, "=false") {
					return f
				}
			}
		}
		return ""
	}
	off := func(flag string) []string {
		if flag == "" {
			return nil
		}
		return []string{name + " " + flag + " turns off " + offWhat(flag)}
	}
	switch name {
	case "curl":
		if parseFlags(args, curlValued, curlLong).has("-k", "--insecure", "--proxy-insecure", "--doh-insecure") {
			return off("--insecure")
		}
	case "wget", "wget2":
		return off(has("--no-check-certificate"))
	case "apk":
		return off(has("--allow-untrusted"))
	case "apt", "apt-get", "aptitude":
		return append(off(has("--allow-unauthenticated", "--force-yes", "--allow-insecure-repositories", "--no-allow-secure")), aptOptions(name, args)...)
	case "rpm":
		return off(has("--nodigest", "--nosignature", "--noverify", "--nofiledigest"))
	case "yum", "dnf", "tdnf", "microdnf", "yum-config-manager", "dnf-config-manager", "zypper":
		return append(off(has("--nogpgcheck", "--no-gpg-checks", "--allow-unsigned-rpm")), rpmOptions(name, args)...)
	case "pip", "pipx", "uv":
		return append(off(has("--trusted-host", "--allow-insecure-host")), plainSources(name, args, "-i", "--index-url", "--extra-index-url", "-f", "--find-links")...)
	case "npm", "yarn", "pnpm":
		return nodeOptions(name, args)
	case "git":
		return gitOptions(args)
	case "gem", "bundle", "bundler":
		return plainSources(name, args, "-s", "--source")
	case "echo", "printf", "tee", "sed":
		for _, a := range args {
			if trustedYes.MatchString(a.Value) {
				return []string{"an apt source is marked trusted=yes, which turns off signature checks"}
			}
		}
	}
	return nil
}

// offWhat names what a flag turns off.
func offWhat(flag string) string {
	switch flag {
	case "--insecure", "--no-check-certificate", "--trusted-host", "--allow-insecure-host":
		return "certificate checks"
	}
	return "signature checks"
}

func aptOptions(name string, args []dockerfile.Text) []string {
	for _, o := range parseFlags(args, "toca", aptLong).all("-o", "--option") {
		m := aptInsecure.FindStringSubmatch(o.Value)
		if m == nil {
			continue
		}
		on := strings.EqualFold(m[2], "true") || m[2] == "1" || strings.EqualFold(m[2], "yes")
		if strings.EqualFold(m[1], "Verify-Peer") {
			on = strings.EqualFold(m[2], "false") || m[2] == "0"
		}
		if on {
			return []string{name + " -o " + m[1] + " turns off signature or certificate checks"}
		}
	}
	return nil
}

func rpmOptions(name string, args []dockerfile.Text) []string {
	for i, a := range args {
		v := a.Value
		if v == "--setopt" && i+1 < len(args) {
			v = "--setopt=" + args[i+1].Value
		}
		setting, ok := strings.CutPrefix(v, "--setopt=")
		switch {
		case !ok:
		case sslVerifyOff.MatchString(setting):
			return []string{name + " --setopt sslverify turns off certificate checks"}
		case gpgCheckOff.MatchString(setting):
			return []string{name + " --setopt gpgcheck turns off signature checks"}
		}
	}
	return nil
}

// plainSources finds package sources that are not encrypted.
func plainSources(name string, args []dockerfile.Text, flags ...string) []string {
	for i, a := range args {
		for _, f := range flags {
			v, ok := strings.CutPrefix(a.Value, f+"=")
			if !ok && a.Value == f && i+1 < len(args) {
				v, ok = args[i+1].Value, true
			}
			if ok && plainHTTP.MatchString(v) && isAddress(dockerfile.Literal(v)) {
				return []string{fmt.Sprintf("%s takes packages from %s without encryption", name, safeURL(v))}
			}
		}
	}
	return nil
}

func nodeOptions(name string, args []dockerfile.Text) []string {
	words := make([]string, 0, len(args))
	for _, a := range args {
		words = append(words, a.Value)
	}
	text := " " + strings.ToLower(strings.Join(words, " ")) + " "
	text = strings.ReplaceAll(text, "=", " ")
	switch {
	case strings.Contains(text, " strict-ssl false ") && (strings.Contains(text, " set ") || strings.Contains(text, " config ")),
		strings.Contains(text, " --strict-ssl false "), strings.Contains(text, " --no-strict-ssl "):
		return []string{name + " strict-ssl=false turns off certificate checks"}
	case strings.Contains(text, " set registry http://"):
		return []string{name + " takes packages from a registry without encryption"}
	}
	return plainSources(name, args, "--registry")
}

func gitOptions(args []dockerfile.Text) []string {
	for i, a := range args {
		v := strings.ToLower(a.Value)
		next := ""
		if i+1 < len(args) {
			next = strings.ToLower(args[i+1].Value)
		}
		isKey := strings.HasPrefix(v, "http.") && strings.HasSuffix(v, "sslverify")
		if isKey && (next == "false" || next == "0" || next == "no") || strings.HasPrefix(v, "http.") && sslVerifyOff.MatchString(v) {
			return []string{"git http.sslVerify=false turns off certificate checks"}
		}
	}
	return nil
}
