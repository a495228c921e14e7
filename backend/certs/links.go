package certs

import (
	"os"
	"path/filepath"
	"strings"
)

// mostLinks is where a chain of symbolic links is taken for a circle, as the system does.
const mostLinks = 40

// places are the entries of folders on which it depends what path is: the file itself and every
// symbolic link on the way to it, each as a path without links. Where one of them is put in another's
// place, path is another file: certbot replaces the last link, Kubernetes one in the middle.
func places(path string) []string {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil // the working folder is gone: nothing can be watched from it
	}
	var out []string
	at := filepath.VolumeName(path) + string(filepath.Separator)
	rest := strings.TrimPrefix(path, at)
	for links := 0; rest != ""; {
		name, after, _ := strings.Cut(rest, string(filepath.Separator))
		rest = after
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		here := filepath.Join(at, name)
		target, err := os.Readlink(here)
		if err != nil { // no link
			at = here
			continue
		}
		if links++; links > mostLinks {
			return out
		}
		out = append(out, here)
		if filepath.IsAbs(target) {
			at = filepath.VolumeName(target) + string(filepath.Separator)
			target = strings.TrimPrefix(target, at)
		}
		// Not filepath.Join: it would take ".." off before it is known what stands in front of it.
		rest = target + string(filepath.Separator) + rest
	}
	return append(out, at)
}
