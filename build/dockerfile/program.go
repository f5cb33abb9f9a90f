package dockerfile

import "strings"

// wrappers start another program: the value lists the flags that take a value
// of their own, and how many words stand before the program.
var wrappers = map[string]struct {
	valued string // flags with a value, each between blanks
	skip   int
}{
	"sudo": {valued: " -u -g -h -p -C -D -R -T -U -r -t --user --group "}, "doas": {valued: " -u -C "},
	"env": {valued: " -u --unset -C --chdir "}, "exec": {valued: " -a "}, "command": {}, "builtin": {}, "time": {valued: " -f -o "},
	"nice": {valued: " -n "}, "ionice": {valued: " -c -n "}, "nohup": {}, "setsid": {}, "eatmydata": {}, "unbuffer": {},
	"timeout": {valued: " -s -k --signal --kill-after ", skip: 1}, "gosu": {skip: 1}, "su-exec": {skip: 1}, "chroot": {skip: 1},
	"xargs": {valued: " -n -I -P -L -d -a -s -E --max-args --max-procs --delimiter "}, "busybox": {}, "catchsegv": {}, "scl_source": {skip: 1},
}

// maxWrappers bounds how many programs may start one another.
const maxWrappers = 8

// Program returns the program that a command starts and its arguments,
// looking through sudo, env, exec, timeout, xargs and their like. Where the
// name is known its Value has no folder, and its Raw is the word with folder.
func (c Command) Program() (Text, []Text) {
	name, args, _ := c.unwrap()
	return name, args
}

// Wrappers names the programs that a command looks through to the one that it
// starts: "sudo", "env". Nil for none.
func (c Command) Wrappers() []string {
	_, _, via := c.unwrap()
	return via
}

func (c Command) unwrap() (Text, []Text, []string) {
	name, args := c.Name, c.Args
	var via []string
	for range maxWrappers {
		if !name.Known {
			// Of $JAVA_HOME/bin/java the folder is unknown, not the program.
			if base := program(name.Value); strings.Contains(name.Value, "/") && !strings.ContainsAny(base, "$`(){}\"' ") {
				return Text{Value: base, Known: true, Raw: name.Value}, args, via
			}
			return name, args, via
		}
		base := program(name.Value)
		w, ok := wrappers[base]
		if !ok {
			name.Value, name.Raw = base, name.Value
			return name, args, via
		}
		next, rest, found := skipFlags(args, w.valued, w.skip, base == "env" || base == "sudo")
		if !found {
			name.Value, name.Raw = base, name.Value
			return name, args, via
		}
		name, args, via = next, rest, append(via, base)
	}
	return name, args, via
}

// skipFlags drops flags, assignments and skip words from the front.
func skipFlags(args []Text, valued string, skip int, assigns bool) (Text, []Text, bool) {
	for len(args) > 0 {
		word := args[0].Value
		switch {
		case strings.HasPrefix(word, "-") && word != "-":
			args = args[1:]
			if strings.Contains(valued, " "+word+" ") && len(args) > 0 {
				args = args[1:]
			}
		case assigns && strings.Contains(word, "=") && !strings.HasPrefix(word, "="):
			args = args[1:]
		case skip > 0:
			skip--
			args = args[1:]
		default:
			return args[0], args[1:], true
		}
	}
	return Text{}, nil, false
}
