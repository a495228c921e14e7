package ports

import (
	"path/filepath"
	"slices"
	"strings"
)

// interpreters run scripts: with them the script says more than the program.
var interpreters = []string{"node", "nodejs", "deno", "bun", "python", "ruby", "php", "perl", "java", "dotnet", "sh", "bash"}

// detail is the script and the folder: "server.js in /home/me/shop", or what is known of the two.
func (p process) detail() string {
	script := p.script()
	switch {
	case script == "":
		return p.dir
	case p.dir == "":
		return script
	}
	if filepath.IsAbs(script) {
		if inside, err := filepath.Rel(p.dir, script); err == nil && filepath.IsLocal(inside) {
			script = inside
		}
	}
	return script + " in " + p.dir
}

// script is the first argument of an interpreter that is not an option: a file, or the module behind
// "-m", "-jar" and their like.
func (p process) script() string {
	if len(p.args) < 2 || !slices.Contains(interpreters, bare(p.name)) {
		return ""
	}
	for i, arg := range p.args[1:] {
		switch {
		case arg == "-m" || arg == "-jar":
			if i+2 < len(p.args) {
				return p.args[i+2]
			}
		case arg == "-c" || arg == "-e" || arg == "--eval": // a program in an argument has no name
			return ""
		case arg == "run" && (bare(p.name) == "deno" || bare(p.name) == "bun" || bare(p.name) == "dotnet"):
		case arg != "" && !strings.HasPrefix(arg, "-"):
			return arg
		}
	}
	return ""
}

// bare is the name of an executable without its version and ending: "python3.11" is python.
func bare(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".exe")
	return strings.TrimRight(name, "0123456789.-")
}
