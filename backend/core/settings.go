package core

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"proxycache/backend/config"
	"proxycache/backend/ingress"
	"proxycache/backend/modules"
	"proxycache/backend/problem"
	"proxycache/backend/record"
	"proxycache/backend/schema"
	"proxycache/backend/upstream"
)

// settingsCatalogue is what the document is checked against.
var settingsCatalogue = config.Catalogue{
	Module:   modules.Lookup,
	Modules:  modules.Names(),
	Upstream: func() any { return new(upstream.Settings) },
	Sections: map[string]func() any{
		"capture": func() any { return new(record.Settings) },
		"forward": func() any { return new(upstream.Forward) },
		"limits":  func() any { return new(ingress.Limits) },
		"tls":     func() any { return new(ingress.Termination) },
	},
}

// load reads a text into the document as written and as it runs, with the environment in it.
func (c *Core) load(text []byte) (written, running *config.Document, list problem.List) {
	written, list = config.Parse(c.options.Config, text, settingsCatalogue)
	if len(list) > 0 {
		return nil, nil, list
	}
	running, list = written.Expanded(os.LookupEnv)
	return written, running, list
}

// CheckFile reads a configuration file, and those it names for TLS, and says what is wrong with it; nothing is
// started.
func CheckFile(path string) (problem.List, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, problem.Wrap(problem.NotFound, err, "Reading %s: %v. Name a file that exists.", path, err)
	}
	doc, list := config.Parse(path, text, settingsCatalogue)
	if len(list) > 0 {
		return list, nil
	}
	running, list := doc.Expanded(os.LookupEnv)
	if len(list) == 0 {
		list = checkFiles(running, filepath.Dir(path))
	}
	config.Place(text, doc, list)
	return list, nil
}

// checkFiles reads the files that a configuration names for TLS; relative paths begin at folder.
func checkFiles(doc *config.Document, folder string) (list problem.List) {
	found := func(err error) { list = append(list, problem.ListOf(err)...) }
	listening, err := ingressSettings(doc)
	if err == nil {
		err = listening.TLS.CheckFiles(folder)
	}
	found(err)
	for _, u := range doc.Upstreams {
		var s upstream.Settings
		err := schema.Decode("upstreams."+u.Name, u.Settings, &s).Err()
		if err == nil {
			err = s.CheckFiles(u.Name, folder)
		}
		found(err)
	}
	var f upstream.Forward
	if err = schema.Decode("forward", doc.Sections["forward"], &f).Err(); err == nil {
		err = f.CheckFiles(folder)
	}
	found(err)
	return list
}

// Catalogue is all that forms are made from.
func (c *Core) Catalogue(context.Context, Nothing) (Catalogue, error) {
	out := Catalogue{
		Modules:  []Module{},
		Upstream: schema.Of(new(upstream.Settings)),
		Capture:  schema.Of(new(record.Settings)),
		Forward:  schema.Of(new(upstream.Forward)),
		Limits:   schema.Of(new(ingress.Limits)),
		TLS:      schema.Of(new(ingress.Termination)),
	}
	for _, name := range modules.Names() {
		m, _ := modules.Lookup(name)
		out.Modules = append(out.Modules, Module{
			Name: m.Name, Title: m.Title, Summary: m.Summary, Icon: m.Icon, Stage: string(m.Stage),
			Figure: m.Figure, Fields: schema.Of(m.Settings()),
		})
	}
	return out, nil
}

// Config is the configuration in force; the clone has an empty list where the file has none.
func (c *Core) Config(context.Context, Nothing) (Config, error) {
	now := c.current.Load()
	return Config{Revision: now.revision, Text: string(now.text), Document: *now.document.Clone(), Explain: explain(now.document)}, nil
}

// Check says what would be said about a document if it were applied.
func (c *Core) Check(_ context.Context, doc config.Document) (Checked, error) {
	out := Checked{Problems: toProblems(config.Check(&doc, settingsCatalogue)), Explain: explain(&doc)}
	if len(out.Problems) > 0 {
		return out, nil
	}
	now := c.current.Load()
	text, err := config.Edit(now.text, now.document, &doc)
	if err != nil {
		return out, err
	}
	out.Text = string(text)
	return out, nil
}

// Apply puts a document in force: all that can fail comes before anything changes.
func (c *Core) Apply(ctx context.Context, r ApplyRequest) (Config, error) {
	c.applying.Lock()
	defer c.applying.Unlock()
	if err := c.apply(r.Base, &r.Document); err != nil {
		return Config{}, err
	}
	return c.Config(ctx, Nothing{})
}

// edit applies a change made here to the document in force.
func (c *Core) edit(change func(*config.Document) error) (revision string, err error) {
	c.applying.Lock()
	defer c.applying.Unlock()
	now := c.current.Load()
	doc := now.document.Clone()
	if err := change(doc); err != nil {
		return "", err
	}
	if err := c.apply(now.revision, doc); err != nil {
		return "", err
	}
	return c.current.Load().revision, nil
}

func (c *Core) apply(base string, doc *config.Document) error {
	now := c.current.Load()
	if c.broken.Load() != nil && c.misspelt() {
		return problem.New(problem.Conflict, "Applying the change: %s has mistakes in it, and writing would lose what is there. Mend the file first; the status bar says what is wrong.", c.options.Config)
	}
	if base != now.revision {
		return problem.New(problem.Conflict, "Applying the change: the configuration was changed meanwhile. Look at what is in force now and make the change again.")
	}
	if list := config.Check(doc, settingsCatalogue); len(list) > 0 {
		return list
	}
	text, err := config.Edit(now.text, now.document, doc)
	if err != nil {
		return err
	}
	err = c.putInForce(text, func() (string, error) { return c.write(base, text) })
	if err == nil {
		c.broken.Store(nil) // the file holds what is in force again
	}
	return err
}

// misspelt tells whether the file as last read has mistakes in it: else what is wrong lies outside of it.
func (c *Core) misspelt() bool {
	text, _ := c.file.Read()
	_, _, list := c.load(text)
	return len(list) > 0
}

// write writes the file, unless that would lose a change by hand which is not in force yet.
func (c *Core) write(base string, text []byte) (revision string, err error) {
	revision, err = c.file.Write(base, text)
	if waits := c.broken.Load(); waits != nil && problem.KindOf(err) == problem.Conflict {
		return "", problem.Wrap(problem.Conflict, err, "Applying the change: %s holds another change, which is tried every few seconds and cannot be put in force yet. Mend what it waits for, or take it back in the file. %v", c.options.Config, *waits)
	}
	return revision, err
}

// putInForce builds all that text asks for, has it written, and swaps. Nothing changes when any of
// it fails.
func (c *Core) putInForce(text []byte, write func() (revision string, err error)) error {
	doc, running, list := c.load(text)
	if len(list) > 0 {
		return list
	}
	capture, err := recordSettings(running)
	if err != nil {
		return err
	}
	listening, err := ingressSettings(running)
	if err != nil {
		return err
	}
	plan, err := c.engine.Prepare(running)
	if err != nil {
		return err
	}
	before := len(c.ingress.Listeners())
	doors, err := c.ingress.Prepare(listening)
	if err != nil {
		plan.Discard()
		if len(c.ingress.Listeners()) < before { // a port that was taken over could not be taken back
			c.unbound.Store(problem.Of(err))
		}
		return err
	}
	revision, err := write()
	if err != nil {
		plan.Discard()
		if lost := doors.Undo(); lost != nil {
			c.unbound.Store(problem.Of(lost))
		}
		return err
	}
	doors.Commit()
	c.engine.Swap(plan)
	c.recorder.Configure(capture)
	c.unbound.Store(nil)
	c.current.Store(&inForce{revision: revision, text: text, document: doc})
	c.News.Say(News{Revision: revision, Rows: noRows, Total: c.total()})
	return nil
}

// watchConfig takes a hand edit of the file along the same road; a broken one is told and changes nothing.
func (c *Core) watchConfig(ctx context.Context) {
	var listening sync.WaitGroup
	listening.Go(func() { c.listenAgain(ctx) })
	defer listening.Wait()
	err := c.file.Watch(ctx, c.takeOver)
	if err != nil && ctx.Err() == nil {
		c.log.Error("the configuration file is not watched", "error", err)
	}
}

// takeOver puts the file's text in force, or tells why not. It is to be tried again where that lies outside
// of the text, as a port that is taken.
func (c *Core) takeOver(text []byte, revision string, unreadable error) (again bool) {
	c.applying.Lock()
	defer c.applying.Unlock()
	err := unreadable
	if err == nil {
		if _, now := c.file.Read(); now != revision {
			return true // a change from here was faster
		}
		err = c.putInForce(text, func() (string, error) { return revision, nil })
	}
	before := c.broken.Load()
	if err == nil {
		c.broken.Store(nil)
		if before != nil {
			c.log.Warn("the configuration file is usable again, and in force")
		}
		return false
	}
	list := problem.ListOf(err)
	c.broken.Store(&list)
	again = unreadable != nil || !c.misspelt()
	if before == nil || before.Error() != list.Error() {
		what := "the configuration file was changed but is not usable; the one before stays in force"
		if unreadable != nil {
			what = "the configuration file cannot be read any more"
		}
		c.log.Warn(what, "problems", list.Error(), "tried again", again)
	}
	return again
}

// listenEvery is how often it is tried to listen on addresses that could not be bound.
const listenEvery = 3 * time.Second

// listenAgain binds the addresses of the configuration in force once it can be done: who held a port may
// have gone.
func (c *Core) listenAgain(ctx context.Context) {
	tick := time.NewTicker(listenEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c.unbound.Load() != nil {
			c.bind()
		}
	}
}

func (c *Core) bind() {
	c.applying.Lock()
	defer c.applying.Unlock()
	now := c.current.Load()
	running, list := now.document.Expanded(os.LookupEnv)
	if c.unbound.Load() == nil || len(list) > 0 {
		return
	}
	listening, err := ingressSettings(running)
	if err == nil {
		err = c.ingress.Configure(listening)
	}
	if err != nil {
		c.unbound.Store(problem.Of(err))
		return
	}
	c.unbound.Store(nil)
	c.log.Warn("listening, as what was in the way is gone")
	c.News.Say(News{Revision: now.revision, Rows: noRows, Total: c.total()})
}

func explain(doc *config.Document) []Explained {
	out := []Explained{}
	add := func(route string, cells []config.Cell) {
		for _, cell := range cells {
			m, ok := modules.Lookup(cell.Use)
			if !ok {
				continue
			}
			s := m.Settings()
			if list := schema.Decode("", cell.Settings, s); len(list) == 0 {
				out = append(out, Explained{Route: route, Cell: cell.ID, Sentence: s.Explain()})
			}
		}
	}
	add("", doc.Cells)
	for _, r := range doc.Routes {
		add(r.Name, r.Cells)
	}
	return out
}

func recordSettings(doc *config.Document) (record.Settings, error) {
	var s record.Settings
	if list := schema.Decode("capture", doc.Sections["capture"], &s); len(list) > 0 {
		return s, list
	}
	return s, nil
}

func ingressSettings(doc *config.Document) (ingress.Settings, error) {
	s := ingress.Settings{PassThrough: doc.PassThrough}
	list := schema.Decode("limits", doc.Sections["limits"], &s.Limits)
	list = append(list, schema.Decode("tls", doc.Sections["tls"], &s.TLS)...)
	if len(list) > 0 {
		return s, list
	}
	for _, l := range doc.Listen {
		s.Listen = append(s.Listen, ingress.Listener{Address: l.Address, Accept: l.Accept, ProxyProtocol: l.ProxyProtocol, Username: l.Username, Password: l.Password})
	}
	for _, t := range doc.Trusted {
		if prefix, err := netip.ParsePrefix(t); err == nil {
			s.Trusted = append(s.Trusted, prefix)
		} else if a, err := netip.ParseAddr(t); err == nil { // config.Check let only these two pass
			s.Trusted = append(s.Trusted, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return s, nil
}
