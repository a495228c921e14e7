package cache

import (
	"strings"

	"proxycache/backend/cachestore"
)

// staticTypes are the extensions of what sites serve to everybody, with what the media type of such a
// thing begins with.
var staticTypes = map[string][]string{
	"css": {"text/css"}, "js": {"text/javascript", "application/javascript", "application/x-javascript", "text/ecmascript"},
	"mjs": {"text/javascript", "application/javascript"}, "map": {"application/json", "application/octet-stream"},
	"png": {"image/"}, "jpg": {"image/"}, "jpeg": {"image/"}, "gif": {"image/"}, "webp": {"image/"}, "avif": {"image/"},
	"svg": {"image/"}, "ico": {"image/"}, "bmp": {"image/"},
	"woff": {"font/", "application/"}, "woff2": {"font/", "application/"}, "ttf": {"font/", "application/"}, "otf": {"font/", "application/"},
	"mp3": {"audio/"}, "ogg": {"audio/", "video/", "application/ogg"}, "mp4": {"video/", "audio/"}, "webm": {"video/", "audio/"},
	"pdf": {"application/pdf"}, "zip": {"application/"}, "gz": {"application/"}, "wasm": {"application/wasm"}, "txt": {"text/plain"},
}

// deceives says why a response is not kept that is no such thing as its URL tells: a page for somebody
// fetched as /account/x.css (web cache deception). What its server says to be for everybody is kept.
func (u *rules) deceives(a *asked, e *cachestore.Response, c *control) string {
	if !u.deception || e.Status != 200 {
		return ""
	}
	extension := extensionOf(a.path)
	types, static := staticTypes[extension]
	if !static {
		return ""
	}
	got := strings.ToLower(e.Header.Get("Content-Type"))
	for _, t := range types {
		if strings.HasPrefix(got, t) {
			return ""
		}
	}
	forAll := c.public || c.sMaxAge != absent || from(c) != ""
	explicit := !e.Heuristic && e.Lifetime > 0 && e.Rule != ruleOverride && e.Rule != ruleDefault
	if got == "" || got == "application/octet-stream" || forAll || explicit && !a.cookies && !a.authorized {
		return ""
	}
	return "it is " + got + " under the name of a ." + extension + ", and not said to be for everybody"
}

// extensionOf is what stands behind the last dot of the path's last segment, in lower case.
func extensionOf(path string) string {
	segment := path[strings.LastIndexByte(path, '/')+1:]
	if i := strings.LastIndexByte(segment, '.'); i >= 0 && len(segment)-i <= 6 {
		return strings.ToLower(segment[i+1:])
	}
	return ""
}
