package journey

import (
	"net"
	"strings"
	"testing"
)

// A story that is wrong fails, and says in which exchange, which section and which line.
func TestAWrongStoryFails(t *testing.T) {
	const begin = "A story.\n\n-- config.toml --\n[upstreams.mirror]\ntargets = [{ url = \"http://ORIGIN\" }]\n\n[[routes]]\nname = \"shop\"\nto = \"mirror\"\n\n" +
		"  [[routes.cells]]\n  use = \"ratelimit\"\n  limit = 100\n\n-- send --\nGET /a?set=X-A:1\nHost: a.test\n" // 17 lines
	cases := []struct {
		name, rest string
		want       []string // one a fault
	}{
		{"nothing is wrong", "-- want --\n200\nX-A: 1\nX-B: (none)\nServer: ~ ^mir\n\nGET /a?set=X-A:1\n-- trail --\nshop/ratelimit passed\nupstream/mirror picked\n-- asked --\nGET /a?set=X-A:1\nHost: a.test\n", nil},
		{"status", "-- want --\n404\n", []string{`:19: exchange 1, want: the status is "200", want "404"`}},
		{"every field", "-- want --\n200\nX-A: 2\nX-B: (any)\nX-A: (none)\nServer: ~ ^x\n", []string{
			`:20: exchange 1, want: X-A is "1", want "2"`, `:21: exchange 1, want: X-B is not there`,
			`:22: exchange 1, want: X-A is "1", want none`, `:23: exchange 1, want: Server is "mirror", want "~ ^x"`}},
		{"body", "-- want --\n200\n\nelse\n", []string{":21: exchange 1, want: the body is\nGET /a?set=X-A:1\nwant\nelse"}},
		{"pattern", "-- want --\n~ [\n", []string{":19: exchange 1, want: the status: error parsing regexp"}},
		{"interim", "-- want --\n103\n", []string{":19: exchange 1, want: no interim answer came"}},
		{"trail", "-- trail --\nshop/ratelimit passed\nupstream/mirror failed\n", []string{":20: exchange 1, trail: the trail is\nshop/ratelimit passed\nupstream/mirror picked\nwant"}},
		{"facts", "-- facts --\nupstream/mirror target (any)\nupstream/mirror connection old\nupstream/mirror target (none)\nshop/none x (none)\n", []string{
			":20: exchange 1, facts: upstream/mirror has no such fact; it has\ntarget 127", ":21: exchange 1, facts: upstream/mirror"}},
		{"too little asked", "-- asked --\nGET /a?set=X-A:1\n\nGET /b\n", []string{":19: exchange 1, asked: 1 requests reached ORIGIN, want 2"}},
		{"something asked", "-- asked --\nnothing\n", []string{":19: exchange 1, asked: 1 requests reached ORIGIN, want 0"}},
		{"else asked", "-- asked --\nPUT /a\nHost: (none)\n", []string{":19: exchange 1, asked: request 1 is GET /a?set=X-A:1, want PUT /a", `:20: exchange 1, asked: Host is "a.test", want none`}},
		{"an answer nobody asks for", "-- origin --\n200\n", []string{":18: exchange 1, origin: no request came"}},
		{"an answer that is none", "-- origin --\nafter 1s\nfine\n", []string{`:20: exchange 1, origin: "fine" is no status`}},
		{"a time that is none", "-- origin --\nafter a while\n200\n", []string{`:19: exchange 1, origin: "after a while": write a time`}},
		{"a field that is none", "-- origin --\n200\nX-A: 1\nhello\n", []string{`:21: exchange 1, origin: "hello" is no field`}},
		{"no answer", "-- origin --\n-- want --\n", []string{":18: exchange 1, origin: it says nothing"}},
		{"health", "-- health --\n/a/health 503\n/a/check 503\n", []string{`:20: exchange 1, health: "/a/check 503": write /path/health 503`}},
		{"a long wait", "-- wait --\n1h\n", []string{`:19: exchange 1, wait: "1h": write a time of at most 2s`}},
		{"a cell", "-- cell --\nshop/ratelimit\nlimited_total 0\nlimited_total 17\n", []string{`:21: exchange 1, cell: no line of shop/ratelimit has "limited_total 17"`}},
		{"a cell that is not there", "-- cell --\nshop/cache\nx\n", []string{`:18: exchange 1, cell: proxycache: Showing the cell "shop/cache"`}},
		{"a pool", "-- cell --\nupstream/mirror\nis on holiday\n", []string{`:20: exchange 1, cell: no line of upstream/mirror has "is on holiday"`}},
		{"a pool that is not there", "-- cell --\nupstream/none\nx\n", []string{":18: exchange 1, cell: proxycache: Showing the cell \"upstream/none\": no running cell or pool of that name has a state. See `proxycache cells`."}},
		{"an action", "-- act --\nshop/ratelimit reset\nnothing of the kind\n", []string{`:20: exchange 1, act: "nothing of the kind" is not in`}},
		{"an action that is not there", "-- act --\nshop/ratelimit explode\n", []string{`:19: exchange 1, act: proxycache: `}},
		{"another configuration", "-- config.toml --\n[[routes]]\nname = 7\n", []string{":18: exchange 1, config.toml: the configuration is wrong: "}},
		{"a section that is none", "-- wants --\n200\n-- want --\n404\n", []string{":18: exchange 1, wants: it is no section: write config.toml, restart, names, send, await, want, trail, facts, origin, asked, health, wait, act, cell"}},
		{"a section with more behind its name", "-- send all --\nGET /\n", []string{":18: exchange 1, send all: it is no section"}},
		{"one of many", "-- send 2 --\nGET /b\nHost: b.test\n-- want --\n200\n\nGET /c\n", []string{
			":24: exchange 3, want: of exchange 2, the body is\nGET /b\n", ":24: exchange 3, want: of exchange 3, the body is"}},
		{"what the origin was told to say", "-- origin --\n103\nLink: </x>\n-- origin --\nafter 1ms\n200\nExpires: {+1h}\nDate: (none)\n\none\n\ntwo\n-- send --\nGET /b\nHost: b.test\n-- want --\n103\nLink: </x>\n-- want --\n200\nExpires: ~ GMT$\nDate: (any)\nContent-Type: (none)\n\none\n\ntwo\n", nil},
		{"an origin that hangs up", "-- origin --\n200\nConnection: close\n-- origin --\nhang up\n-- send --\nGET /b\nHost: b.test\n-- send --\nGET /c\nHost: b.test\n-- want --\n200\n", []string{
			`:30: exchange 3, want: the status is "502", want "200"`}},
		{"a body that breaks off, as it should", "-- origin --\n200\n\nhalf\nhang up in body\n-- send --\nGET /b\nHost: b.test\n-- want --\n200\n\nhalf\n(broken off)\n", nil},
		{"an answer that comes later", "-- origin --\nafter 300ms\n201\n-- send & --\nGET /b\nHost: b.test\n-- send --\nGET /c\nHost: b.test\n-- want --\n200\n-- await --\n-- want --\n200\n-- facts --\nupstream/mirror connection (any)\n", []string{
			`:31: exchange 3, want: the status is "201", want "200"`}},
		{"who is not awaited leaves", "-- origin --\nsilent\n-- send & --\nGET /b\nHost: b.test\n", nil},
		{"another configuration is in force", "-- config.toml --\n[[routes]]\nname = \"shop\"\n\n  [[routes.cells]]\n  use = \"mock\"\n-- send --\nGET /b\nHost: b.test\n-- trail --\nshop/mock passed\n", []string{
			":28: exchange 2, trail: the trail is\nshop/mock answered\nwant\nshop/mock passed"}},
		{"health that differs", "-- health --\n/a/health 503\n/b/health 200 not well\n-- send --\nGET /a/health\nHost: b.test\n-- want --\n503\n\nok\n-- send --\nGET /b/health\nHost: b.test\n-- want --\n200\n\nok\n-- asked --\nGET /a?set=X-A:1\n", []string{
			":34: exchange 3, want: the body is\nnot well\nwant\nok"}},
		{"what never happens", "-- wait until --\nshop/ratelimit limited_total 17\n", []string{`:19: exchange 1, wait until: no line of shop/ratelimit has "limited_total 17"`}},
		{"half a wait", "-- wait until --\nshop/ratelimit\n", []string{`:19: exchange 1, wait until: "shop/ratelimit": write a cell and a text`}},
		{"nothing to ask for", "-- asked --\n", []string{":18: exchange 1, asked: write METHOD /target"}},
		{"nothing to await", "-- await --\n", []string{":18: exchange 1, await: nothing is on its way"}},
		{"a body that breaks off", "-- origin --\n200\n\nhalf\nhang up in body\n-- send --\nGET /b\nHost: b.test\n-- want --\n200\n", []string{
			`:27: exchange 2, want: the body did not end: "half" came of it`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := tell(t, "story.txtar", []byte(begin+c.rest))
			if len(got) != len(c.want) {
				t.Fatalf("the faults are\n%s\nwant %q", strings.Join(got, "\n"), c.want)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], "story.txtar"+want) {
					t.Errorf("fault %d is\n%s\nwant\n%s", i+1, got[i], want)
				}
			}
		})
	}
}

func TestAStoryBeginsWithItsConfiguration(t *testing.T) {
	for text, want := range map[string]string{
		"A story.\n-- send --\nGET /\n":        "story.txtar:2: exchange 0, send: nothing runs yet: begin with config.toml",
		"-- config.toml --\nlisten = \"x\"\n":  "story.txtar:1: exchange 0, config.toml: the configuration is wrong: ",
		"-- config.toml --\n-- want --\n200\n": "story.txtar:2: exchange 0, want: there is no answer yet: write send before",
		"-- config.toml --\n-- trail --\n":     "story.txtar:2: exchange 0, trail: there is no exchange yet: write send before",
	} {
		got := tell(t, "story.txtar", []byte(text))
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%q has the faults %q, want %q", text, got, want)
		}
	}
}

// What a word of a story stands for is there, and nobody is where DEAD is.
func TestTheWordsOfAStory(t *testing.T) {
	w := newWords(t)
	for _, name := range []string{"ORIGIN", "ORIGIN2", "localhost:PORT", "REDIS", "MEMCACHED", "DEAD"} {
		c, err := net.Dial("tcp", w.replace(name))
		if err == nil {
			_ = c.Close()
		}
		if (err != nil) != (name == "DEAD") {
			t.Errorf("connecting to %s: %v", name, err)
		}
	}
	text := w.replace("DIR REDIS ORIGIN2")
	if again := w.replace("DIR REDIS ORIGIN2"); again != text || strings.Contains(text, "DIR") {
		t.Errorf("%q is %q the second time", text, again)
	}
	if text := w.replace("MY_PORT EXPORT DIRS DEADLINE PROXYCACHE_TARGET"); text != "MY_PORT EXPORT DIRS DEADLINE PROXYCACHE_TARGET" {
		t.Errorf("parts of other words are replaced: %q", text)
	}
}
