//go:build !windows

package programs

import "os"

// rootFiles are where systems keep their authorities in one file.
var rootFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Arch
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora
	"/etc/pki/tls/certs/ca-bundle.crt",                  // older Fedora
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/ssl/cert.pem",                                 // macOS, Alpine
}

// systemRoots are the system's authorities. A file that SSL_CERT_FILE names comes first, unless it is
// our own bundle, in which a terminal that is set up already starts us. Without any there is nothing
// to add ours to: then the bundle holds ours alone.
func systemRoots(own string) []byte {
	files := rootFiles
	if named := os.Getenv("SSL_CERT_FILE"); named != "" && !same(named, own) {
		files = append([]string{named}, files...)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
			return text
		}
	}
	return nil
}

func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return a == b || errX == nil && errY == nil && os.SameFile(x, y)
}
