package programs

import (
	"strings"

	"proxycache/backend/problem"
)

type variable struct{ name, value string }

// variables are what programs of the terminal look at. Most take the authority's file as the only one
// they trust, so they get the bundle; Node and Deno add it to their own list.
func variables(proxy, caFile, bundle string) []variable {
	return []variable{
		{"HTTP_PROXY", proxy}, {"http_proxy", proxy},
		{"HTTPS_PROXY", proxy}, {"https_proxy", proxy},
		{"npm_config_proxy", proxy}, {"npm_config_https_proxy", proxy},
		{"NODE_USE_ENV_PROXY", "1"}, // Node's own fetch heeds the proxy only then
		{"NODE_EXTRA_CA_CERTS", caFile},
		{"DENO_CERT", caFile},
		{"SSL_CERT_FILE", bundle},
		{"CURL_CA_BUNDLE", bundle},
		{"REQUESTS_CA_BUNDLE", bundle},
		{"GIT_SSL_CAINFO", bundle},
		{"CARGO_HTTP_CAINFO", bundle},
		{"AWS_CA_BUNDLE", bundle},
	}
}

// TerminalLine is one line that sends what is started in a terminal from then on through the proxy
// (a URL), and one that ends it. The shell is "sh" (bash and zsh too), "fish" or "powershell".
func TerminalLine(shell, proxy, caFile, bundle string) (set, unset string, err error) {
	all := variables(proxy, caFile, bundle)
	switch shell {
	case "sh":
		set, unset = shLines(all)
	case "fish":
		set, unset = fishLines(all)
	case "powershell":
		set, unset = powershellLines(all)
	default:
		return "", "", problem.New(problem.Invalid, "Making the line: there is none for the shell %q. Choose sh, fish or powershell.", shell)
	}
	return set, unset, nil
}

func shLines(all []variable) (set, unset string) {
	set, unset = "export", "unset"
	for _, v := range all {
		set += " " + v.name + "='" + strings.ReplaceAll(v.value, "'", `'\''`) + "'"
		unset += " " + v.name
	}
	return set, unset
}

func fishLines(all []variable) (set, unset string) {
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	var sets []string
	unset = "set -e"
	for _, v := range all {
		sets = append(sets, "set -gx "+v.name+" '"+quote.Replace(v.value)+"'")
		unset += " " + v.name
	}
	return strings.Join(sets, "; "), unset
}

// powershellLines doubles every sign that PowerShell takes for a single quote, the curly ones too. On
// Windows the two spellings of a variable are one, which may be set and removed twice.
func powershellLines(all []variable) (set, unset string) {
	quote := strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019", "\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b")
	var sets, names []string
	for _, v := range all {
		sets = append(sets, "$env:"+v.name+" = '"+quote.Replace(v.value)+"'")
		names = append(names, "Env:"+v.name)
	}
	return strings.Join(sets, "; "), "Remove-Item " + strings.Join(names, ", ") + " -ErrorAction SilentlyContinue"
}
