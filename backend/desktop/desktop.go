// Package desktop is the door for the window: each method decodes nothing and decides nothing, it
// calls core. Wails generates frontend/wailsjs from it.
package desktop

import (
	"context"
	"io"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"proxycache/backend/atomicfile"
	"proxycache/backend/config"
	"proxycache/backend/core"
	"proxycache/backend/problem"
)

// Desktop is bound to the window. Its methods are those of frontend/src/api/backend.ts.
type Desktop struct {
	core *core.Core
	ctx  context.Context
}

// New makes the door of c.
func New(c *core.Core) *Desktop { return &Desktop{core: c} }

// newsEvent is the name under which the window hears of news.
const newsEvent = "news"

// Run tells the window the news until ctx ends. It must begin before a method is called.
func Run(ctx context.Context, d *Desktop) {
	d.ctx = ctx
	listener := d.core.News.Listen(64)
	defer listener.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case news := <-listener.C:
			news.Reset = news.Reset || listener.Missed() > 0
			runtime.EventsEmit(ctx, newsEvent, news)
		}
	}
}

// failed carries a problem to the window: Wails passes an error's text on, which is then its JSON.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return failure(core.ProblemOf(err))
}

func pass[In, Out any](d *Desktop, method func(context.Context, In) (Out, error), in In) (Out, error) {
	out, err := method(d.ctx, in)
	return out, failed(err)
}

func tell[In any](d *Desktop, method func(context.Context, In) (core.Nothing, error), in In) error {
	_, err := method(d.ctx, in)
	return failed(err)
}

func (d *Desktop) Status() (core.Status, error) { return pass(d, d.core.Status, core.Nothing{}) }
func (d *Desktop) SetRecording(on bool) error   { return tell(d, d.core.SetRecording, on) }
func (d *Desktop) Exchanges(q core.ExchangeQuery) (core.ExchangePage, error) {
	return pass(d, d.core.Exchanges, q)
}
func (d *Desktop) Exchange(seq int64) (core.Exchange, error) { return pass(d, d.core.Exchange, seq) }
func (d *Desktop) Remove(s core.Selection) (core.Removal, error) {
	return pass(d, d.core.Remove, s)
}
func (d *Desktop) UndoRemove(token int64) error    { return tell(d, d.core.UndoRemove, token) }
func (d *Desktop) CheckFilter(filter string) error { return tell(d, d.core.CheckFilter, filter) }
func (d *Desktop) Replay(r core.ReplayRequest) (int64, error) {
	return pass(d, d.core.Replay, r)
}
func (d *Desktop) Curl(seq int64) (string, error)         { return pass(d, d.core.Curl, seq) }
func (d *Desktop) MockThis(seq int64) (core.Place, error) { return pass(d, d.core.MockThis, seq) }
func (d *Desktop) Catalogue() (core.Catalogue, error) {
	return pass(d, d.core.Catalogue, core.Nothing{})
}
func (d *Desktop) Config() (core.Config, error) { return pass(d, d.core.Config, core.Nothing{}) }
func (d *Desktop) Check(doc config.Document) (core.Checked, error) {
	return pass(d, d.core.Check, doc)
}
func (d *Desktop) Apply(r core.ApplyRequest) (core.Config, error) {
	return pass(d, d.core.Apply, r)
}
func (d *Desktop) Figures() (core.Figures, error)   { return pass(d, d.core.Figures, core.Nothing{}) }
func (d *Desktop) Cells() ([]core.CellState, error) { return pass(d, d.core.Cells, core.Nothing{}) }
func (d *Desktop) ActOnCell(a core.CellAction) (string, error) {
	return pass(d, d.core.ActOnCell, a)
}
func (d *Desktop) Probe(r core.RouteProbe) (core.RouteAnswer, error) {
	return pass(d, d.core.Probe, r)
}
func (d *Desktop) Ports() ([]core.Port, error) { return pass(d, d.core.Ports, core.Nothing{}) }
func (d *Desktop) PutInFront(target string) (core.Fronted, error) {
	return pass(d, d.core.PutInFront, target)
}
func (d *Desktop) Programs() ([]core.Program, error) {
	return pass(d, d.core.Programs, core.Nothing{})
}
func (d *Desktop) Launch(id string) error { return tell(d, d.core.Launch, id) }
func (d *Desktop) TerminalLine(shell string) (core.TerminalLine, error) {
	return pass(d, d.core.TerminalLine, shell)
}
func (d *Desktop) StartDemo() error { return tell(d, d.core.StartDemo, core.Nothing{}) }
func (d *Desktop) StopDemo() error  { return tell(d, d.core.StopDemo, core.Nothing{}) }
func (d *Desktop) Preferences() (core.Preferences, error) {
	return pass(d, d.core.Preferences, core.Nothing{})
}
func (d *Desktop) SetPreferences(p core.Preferences) error {
	return tell(d, d.core.SetPreferences, p)
}

// SaveExport asks where and writes the file; "" when the person cancelled.
func (d *Desktop) SaveExport(r core.ExportRequest) (string, error) {
	return d.save("Export exchanges", core.ExportName(r), func(w io.Writer) error {
		return d.core.Export(d.ctx, r, w)
	})
}

// SaveAuthority asks where and writes the certificate; "" when the person cancelled.
func (d *Desktop) SaveAuthority() (string, error) {
	return d.save("Export the certificate", "proxycache-ca.pem", func(w io.Writer) error {
		_, err := w.Write(d.core.CertificatePEM())
		return err
	})
}

// save asks where, and writes; "" when the person cancelled.
func (d *Desktop) save(title, name string, write func(io.Writer) error) (string, error) {
	path, err := runtime.SaveFileDialog(d.ctx, runtime.SaveDialogOptions{Title: title, DefaultFilename: name})
	if err != nil || path == "" {
		return "", failed(err)
	}
	if err := atomicfile.Write(path, 0o600, write); err != nil {
		return "", failed(problem.Wrap(problem.Unavailable, err, "Saving %s: %v. Nothing was replaced. Choose another folder, or make room.", path, err))
	}
	return path, nil
}

// Copy puts text on the clipboard.
func (d *Desktop) Copy(text string) error { return failed(runtime.ClipboardSetText(d.ctx, text)) }

// OpenURL opens a web page in the system's browser.
func (d *Desktop) OpenURL(url string) { runtime.BrowserOpenURL(d.ctx, url) }
