package http2

import "time"

// nuisance is a kind of frame that costs us and brings nobody forward. Each kind may come so often
// and no more; time and useful work are forgiving. Beyond its limit the connection ends with
// ENHANCE_YOUR_CALM.
type nuisance int

const (
	// broken are streams that ended before their answer: the peer reset them (rapid reset,
	// CVE-2023-44487), or made us reset them by what it sent (MadeYouReset, CVE-2025-8671). The handler
	// has begun its work by then. A page that is left cancels a hundred at once, rarely.
	broken nuisance = iota
	// refused are requests beyond the limit of concurrent ones. A peer may send a burst before it has
	// seen our settings.
	refused
	// pings are answered each (CVE-2019-9512). Some peers send one for every frame of data to measure
	// the way: data forgives.
	pings
	// settings are applied and acknowledged each (CVE-2019-9515).
	settings
	// ignored are PRIORITY, PRIORITY_UPDATE and unknown frames (CVE-2019-9513), and what comes late on
	// streams that we reset, HEADERS and crumbs of DATA: nothing comes of them, yet they have to be read. Browsers send a few for each request.
	ignored
	// empty are frames without content that end nothing (CVE-2019-9518).
	empty
	// updates are WINDOW_UPDATEs, and DATA that a tiny window cut to crumbs (CVE-2019-9511, 9517).
	// Every frame of data that could leave as it was allows for some.
	updates
	nuisances
)

// patience is how often a nuisance may come, and how much of that a second forgives. Updates follow the data
// that allows for them, and may do so when there is no more of it: what it earned is saved.
var patience = [nuisances]struct {
	limit, perSecond int
	name             string
	saved            int // what is earned and not spent yet, at most
}{
	broken:   {200, 20, "requests were broken off", 0},
	refused:  {500, 50, "requests came beyond the limit", 0},
	pings:    {200, 10, "PING frames came", 0},
	settings: {50, 1, "SETTINGS frames came", 0},
	ignored:  {300, 20, "PRIORITY, unknown or late frames came", 0},
	empty:    {200, 10, "empty frames came", 0},
	updates:  {500, 50, "WINDOW_UPDATE frames or crumbs of windows came", 1 << 18},
}

// Bounds that time does not forgive.
const (
	// maxContinuations of one header block beside those that the largest one needs (CVE-2024-27316 and
	// its kin).
	maxContinuations = 64
	// maxControl frames of ours may wait for a peer that makes us send them: with more, nothing is read
	// from it.
	maxControl = 256
)

// calm counts nuisances.
type calm [nuisances]struct {
	spent int
	since time.Time // up to when time has forgiven
}

// spend counts one; an error when that was too many.
func (c *calm) spend(n nuisance) *Error {
	at, p := &c[n], &patience[n]
	now := time.Now()
	if at.spent <= 0 {
		at.since = now
	}
	if forgiven := int(now.Sub(at.since).Seconds() * float64(p.perSecond)); forgiven > 0 {
		at.spent = max(0, at.spent-forgiven)
		at.since = now
	}
	at.spent++
	if at.spent > p.limit {
		return connection(EnhanceYourCalm, "too many %s", p.name)
	}
	return nil
}

// earn forgives some for useful work.
func (c *calm) earn(n nuisance, some int) { c[n].spent = max(-patience[n].saved, c[n].spent-some) }
