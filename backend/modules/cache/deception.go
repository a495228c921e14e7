package cache

import (
	"net/url"
	"strings"

	"proxycache/backend/cachestore"
)

var (
	fontTypes    = []string{"font/", "application/font-", "application/x-font-", "application/vnd.ms-fontobject", "application/vnd.ms-opentype"}
	scriptTypes  = []string{"text/javascript", "application/javascript", "application/x-javascript", "text/ecmascript", "application/ecmascript"}
	imageTypes   = []string{"image/"}
	archiveTypes = []string{
		"application/zip", "application/x-zip", "application/gzip", "application/x-gzip", "application/x-tar", "application/x-gtar",
		"application/x-bzip", "application/x-7z-compressed", "application/x-compressed", "application/vnd.rar", "application/x-rar",
	}
)

// staticTypes are the extensions of what sites serve to everybody, with what the media type of such a
// thing begins with. None begins a page or data, which may be somebody's.
var staticTypes = map[string][]string{
	"css": {"text/css"}, "js": scriptTypes, "mjs": scriptTypes, "map": nil,
	"png": imageTypes, "jpe": imageTypes, "tif": imageTypes, "tiff": imageTypes, "heic": imageTypes, "heif": imageTypes, "svgz": imageTypes,
	"jpg": imageTypes, "jpeg": imageTypes, "gif": imageTypes, "webp": imageTypes, "avif": imageTypes,
	"svg": imageTypes, "ico": imageTypes, "bmp": imageTypes,
	"woff": fontTypes, "woff2": fontTypes, "ttf": fontTypes, "otf": fontTypes, "eot": fontTypes,
	"mp3": {"audio/"}, "ogg": {"audio/", "video/", "application/ogg"}, "mp4": {"video/", "audio/"}, "webm": {"video/", "audio/"},
	"wav": {"audio/"}, "flac": {"audio/"}, "aac": {"audio/"}, "m4a": {"audio/", "video/"}, "opus": {"audio/"},
	"mov": {"video/"}, "avi": {"video/"}, "mkv": {"video/", "audio/", "application/x-matroska"}, "m4v": {"video/"},
	"pdf": {"application/pdf"}, "wasm": {"application/wasm"}, "txt": {"text/plain"},
	"zip": archiveTypes, "gz": archiveTypes, "tgz": archiveTypes, "tar": archiveTypes, "bz2": archiveTypes, "7z": archiveTypes, "rar": archiveTypes,
}

// deceives says why a response is not kept that is no such thing as its URL tells: a page for somebody
// fetched as /account/x.css (web cache deception). What its server says to be for everybody is kept.
func (u *rules) deceives(a *asked, e *cachestore.Response, c *control) string {
	if !u.deception || e.Status != 200 && e.Status != 203 && e.Status != 206 {
		return ""
	}
	extension := extensionOf(a.path)
	if extension == "" {
		return ""
	}
	types := staticTypes[extension]
	got := strings.ToLower(e.Header.Get("Content-Type"))
	for _, t := range types {
		if strings.HasPrefix(got, t) {
			return ""
		}
	}
	nobodys := !a.cookies && !a.authorized
	if extension == "map" && strings.HasPrefix(got, "application/json") && nobodys { // as source maps are served, and data, too
		return ""
	}
	forAll := c.public || c.sMaxAge != absent || from(c) != ""
	explicit := !e.Heuristic && e.Lifetime > 0 && e.Rule != ruleOverride && e.Rule != ruleDefault
	if got == "" || got == "application/octet-stream" || forAll || explicit && nobodys {
		return ""
	}
	return "it is " + got + " under the name of a ." + extension + ", and not said to be for everybody"
}

// extensionOf is what of staticTypes stands behind the last dot of the path's last segment, or of a piece
// of it: servers differ in whether a path goes on behind a semicolon (/account;x.css, /account/x.css;a),
// and read %2e as a dot (RFC 3986 §6.2.2.2).
func extensionOf(path string) string {
	segment := path[strings.LastIndexByte(path, '/')+1:]
	if decoded, err := url.PathUnescape(segment); err == nil {
		segment = decoded
	}
	for piece := range strings.SplitSeq(segment, ";") {
		extension := strings.ToLower(piece[strings.LastIndexByte(piece, '.')+1:])
		if _, static := staticTypes[extension]; static && len(extension) < len(piece) {
			return extension
		}
	}
	return ""
}
