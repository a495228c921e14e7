// Package programs starts browsers whose traffic passes through the proxy, and makes the line that
// does the same for a terminal.
package programs

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Program is a browser that can be started from here.
type Program struct {
	ID        string // "chromium", "chrome", "edge", "brave"
	Name      string // for people
	Installed bool
	Path      string // of the executable; "" when it is not installed
}

// browser is where a browser may be found on each system.
type browser struct {
	id, name string
	linux    []string // names on the PATH
	darwin   string   // below an Applications folder
	windows  string   // below a folder for programs
}

// browsers are all of Chromium's family: they take the same flags.
func browsers() []browser {
	return []browser{
		{"chromium", "Chromium", []string{"chromium", "chromium-browser"}, "Chromium.app/Contents/MacOS/Chromium", `Chromium\Application\chrome.exe`},
		{"chrome", "Chrome", []string{"google-chrome", "google-chrome-stable"}, "Google Chrome.app/Contents/MacOS/Google Chrome", `Google\Chrome\Application\chrome.exe`},
		{"edge", "Edge", []string{"microsoft-edge", "microsoft-edge-stable"}, "Microsoft Edge.app/Contents/MacOS/Microsoft Edge", `Microsoft\Edge\Application\msedge.exe`},
		{"brave", "Brave", []string{"brave-browser", "brave-browser-stable", "brave"}, "Brave Browser.app/Contents/MacOS/Brave Browser", `BraveSoftware\Brave-Browser\Application\brave.exe`},
	}
}

// Find tells of every known browser whether it is installed.
func Find() []Program {
	var out []Program
	for _, b := range browsers() {
		p := Program{ID: b.id, Name: b.name}
		for _, place := range b.places(runtime.GOOS, os.Getenv) {
			if path, err := exec.LookPath(place); err == nil {
				p.Installed, p.Path = true, path
				break
			}
		}
		out = append(out, p)
	}
	return out
}

// places are the paths to look at, and on Linux the names to look up.
func (b browser) places(system string, env func(string) string) []string {
	var out []string
	switch system {
	case "darwin":
		for _, folder := range []string{"/Applications", filepath.Join(env("HOME"), "Applications")} {
			out = append(out, filepath.Join(folder, b.darwin))
		}
	case "windows":
		for _, variable := range []string{"ProgramFiles", "ProgramFiles(x86)", "LocalAppData"} {
			if folder := env(variable); folder != "" {
				out = append(out, folder+`\`+b.windows)
			}
		}
	default:
		out = append(out, b.linux...)
	}
	return out
}
