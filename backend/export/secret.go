package export

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"proxycache/backend/flow"
)

// credentials are fields that hold a secret whatever they are called elsewhere.
var credentials = []string{"authorization", "proxyauthorization", "cookie", "cookie2", "setcookie", "setcookie2", "xauth", "auth"}

// telling are parts of names that say what is in them: access_token, X-Api-Key, oldPassword.
var telling = []string{
	"apikey", "accesskey", "secret", "privatekey", "token", "jwt", "password", "passwd", "passphrase", "pwd",
	"credential", "signature", "assertion", "sessionid", "sessid",
}

// brief are whole names of query parameters and form fields; within other names they mean nothing.
var brief = []string{"key", "sig", "pass", "session", "sid", "code", "otp", "pin"}

// harmless are names that end in "key" and hold none.
var harmless = []string{"secwebsocketkey", "idempotencykey", "cachekey", "surrogatekey"}

// plainName is name without what spellings differ in.
func plainName(name string) string {
	return strings.NewReplacer("-", "", "_", "", ".", "", " ", "", "[", "", "]", "").Replace(strings.ToLower(name))
}

// tells whether the name alone says that a secret is in it.
func tells(plain string) bool {
	return slices.ContainsFunc(telling, func(part string) bool { return strings.Contains(plain, part) })
}

// secretField judges a header field, secretParameter one of a query or a form, secretMember one of a
// JSON object, where a "key" is mostly an ordinary one.
func secretField(name string) bool {
	plain := plainName(name)
	return slices.Contains(credentials, plain) || tells(plain) || strings.HasSuffix(plain, "key") && !slices.Contains(harmless, plain)
}

func secretParameter(name string) bool {
	if decoded, err := url.QueryUnescape(name); err == nil {
		name = decoded
	}
	return secretField(name) || slices.Contains(brief, plainName(name))
}

func secretMember(name string) bool {
	plain := plainName(name)
	return slices.Contains(credentials, plain) || tells(plain)
}

// blanks takes secrets out of one exchange and remembers them: what stood in a field or a parameter is
// also taken out of the trail and the reasons that repeat it.
type blanks struct{ seen []string }

func (b *blanks) saw(secret string) {
	for _, s := range append(strings.FieldsFunc(secret, func(r rune) bool { return r == ' ' || r == ';' }), secret) {
		if _, value, ok := strings.Cut(s, "="); ok { // a=b of a cookie
			b.seen = append(b.seen, value)
		}
		b.seen = append(b.seen, s)
	}
}

// mentions replaces the secrets seen so far wherever they stand in a text. Short ones are words that
// stand anywhere by chance.
func (b *blanks) mentions() func(string) string {
	slices.SortFunc(b.seen, func(x, y string) int { return cmp.Or(cmp.Compare(len(y), len(x)), strings.Compare(x, y)) })
	var pairs []string
	for _, s := range b.seen {
		if len(s) >= 6 {
			pairs = append(pairs, s, Blank)
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// fields are h with its secrets blanked, and those in the URLs of fields that hold one.
func (b *blanks) fields(h flow.Header) flow.Header {
	out := h.Clone()
	for i, f := range out {
		switch plain := plainName(f.Name); {
		case secretField(f.Name) && f.Value != "":
			b.saw(f.Value)
			out[i].Value = Blank
		case plain == "location", plain == "contentlocation", plain == "referer", plain == "refresh":
			out[i].Value = b.url(f.Value)
		}
	}
	return out
}

// url blanks the parameters of a URL or of a target, in its fragment too, where OAuth puts tokens.
func (b *blanks) url(u string) string {
	u, fragment, hasFragment := strings.Cut(u, "#")
	path, query, hasQuery := strings.Cut(u, "?")
	if hasQuery {
		path += "?" + b.parameters(query)
	}
	if hasFragment {
		path += "#" + b.parameters(fragment)
	}
	return path
}

// parameters blanks "a=b&c=d".
func (b *blanks) parameters(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, value, ok := strings.Cut(part, "=")
		if !ok || value == "" || !secretParameter(name) {
			continue
		}
		b.saw(value)
		if decoded, err := url.QueryUnescape(value); err == nil {
			b.saw(decoded)
		}
		parts[i] = name + "=" + Blank
	}
	return strings.Join(parts, "&")
}
