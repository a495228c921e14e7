package upstream

import (
	"cmp"
	"slices"
	"time"

	"proxycache/backend/problem"
)

// Usage counts connections and what became of exchanges on them.
type Usage struct {
	Open    int // connections, with those that are being opened
	Idle    int // of Open, those that no exchange uses
	Waiting int // exchanges in the queue for one

	Shared  int // of Open, those that speak HTTP/2
	Streams int // exchanges on them

	Opened int64 // connections since the pool began
	Reused int64 // exchanges that went over a connection that was open already
	Faults Faults
}

// InUse is how many connections have an exchange.
func (u Usage) InUse() int { return u.Open - u.Idle }

// Faults count exchanges that failed, by what failed.
type Faults struct {
	Connect  int64 // no address, nothing listens, no way to it
	TLS      int64
	Timeout  int64 // of connecting, or of the answer
	Reset    int64 // the connection ended in the middle
	Protocol int64 // the answer was no HTTP
	Crowded  int64 // there was no connection to be had
}

func (f *Faults) note(kind problem.Kind) {
	switch kind {
	case problem.DNS, problem.Refused, problem.Unreachable:
		f.Connect++
	case problem.TLSFailed, problem.TLSCert:
		f.TLS++
	case problem.Timeout, problem.ReadTimeout:
		f.Timeout++
	case problem.Terminated:
		f.Reset++
	case problem.BadResponse:
		f.Protocol++
	case problem.Overloaded:
		f.Crowded++
	}
}

func (f *Faults) add(g Faults) {
	f.Connect += g.Connect
	f.TLS += g.TLS
	f.Timeout += g.Timeout
	f.Reset += g.Reset
	f.Protocol += g.Protocol
	f.Crowded += g.Crowded
}

// Stats are the figures of a pool.
type Stats struct {
	Usage
	Targets []TargetStats // by address; of a forward pool those that were used last, at most 64
}

// maxTargetStats bounds what is told of a pool that is sent anywhere. The settings allow more targets,
// all of which are told.
const maxTargetStats = 64

// TargetStats are the figures of one target. Address is what exchanges call it (flow.Exchange.Target).
// What follows Usage is zero for a forward pool, whose targets are not chosen.
type TargetStats struct {
	Address string
	Usage
	State    State
	Reason   string    // of the state; "" where there is nothing to say
	Since    time.Time // it is in the state
	History  []Change  // of states, the oldest first, at most 20
	InFlight int64     // exchanges
	// EWMA is a mean of the time to the first byte in which old exchanges fade; 0 while nothing is known,
	// or it is the only target.
	EWMA      time.Duration
	Weight    float64 // in force: less than in the settings during a slow start
	SetWeight int     // the weight in the settings
	Backup    bool
	Ejections int // since it is known
	used      time.Time
	busy      int // exchanges on its connections
}

// Stats reads the figures of the pool.
func (p *Pool) Stats() Stats {
	shown, targets := map[origin][]string{}, p.targets()
	for _, t := range targets {
		if !slices.Contains(shown[t.origin], t.shown) {
			shown[t.origin] = append(shown[t.origin], t.shown)
		}
	}
	all := p.lines.stats(shown)
	if !p.forward {
		p.balance.tell(&all)
	}
	if extra := len(all.Targets) - max(maxTargetStats, len(targets)); extra > 0 {
		slices.SortFunc(all.Targets, func(a, b TargetStats) int { return b.used.Compare(a.used) })
		all.Targets = all.Targets[:len(all.Targets)-extra]
	}
	slices.SortFunc(all.Targets, func(a, b TargetStats) int { return cmp.Compare(a.Address, b.Address) })
	return all
}

// targets are those there are now; a forward pool has none of its own.
func (p *Pool) targets() []*target {
	if p.forward {
		return nil
	}
	return p.balance.all()
}

// tell adds how the targets stand. Of a name whose addresses are the targets nothing is left to tell
// once its connections are closed.
func (b *balance) tell(all *Stats) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now().UnixNano()
	members := map[string]*target{}
	for _, t := range slices.Backward(b.all()) { // of several that are called the same, the first
		members[t.shown] = t
	}
	all.Targets = slices.DeleteFunc(all.Targets, func(s TargetStats) bool { return members[s.Address] == nil && s.Open == 0 })
	for i := range all.Targets {
		s := &all.Targets[i]
		t := members[s.Address]
		if t == nil {
			continue
		}
		c := &t.condition
		s.State, s.Reason, s.Since, s.History = c.state, c.reason, c.since, slices.Clone(c.history)
		s.Weight, s.SetWeight, s.Backup, s.Ejections = b.weightOf(t), t.weight, t.backup, c.ejections
		s.EWMA = time.Duration(t.mean(now) * float64(time.Second))
		s.InFlight = t.inFlight.Load()
		if len(members) == 1 { // nobody counts them then but the connections
			s.InFlight = int64(s.busy)
		}
	}
}

// stats gathers the figures by address: a host that is asked by http and by a tunnel is one. Targets
// that share their connections, because they differ in their path alone, have the same figures of these.
func (l *lines) stats(shown map[origin][]string) Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := Stats{Usage: l.forgotten, Targets: []TargetStats{}}
	index := map[string]int{}
	for o, s := range l.sites {
		u := s.usage()
		all.Usage.add(u)
		names := shown[o]
		if len(names) == 0 {
			names = []string{o.address()}
		}
		for _, address := range names {
			i, known := index[address]
			if !known {
				i = len(all.Targets)
				index[address] = i
				all.Targets = append(all.Targets, TargetStats{Address: address})
			}
			t := &all.Targets[i]
			t.Usage.add(u)
			t.busy += max(0, u.Open-u.Idle-s.sharedInUse()) + u.Streams
			if s.used.After(t.used) {
				t.used = s.used
			}
		}
	}
	return all
}

func (s *site) usage() Usage {
	u := Usage{Open: s.open, Idle: len(s.idle), Waiting: len(s.waiting), Shared: len(s.shared), Opened: s.opened, Reused: s.reused, Faults: s.faults}
	for _, h := range s.shared {
		n := h.conn.InFlight()
		u.Streams += n
		if n == 0 {
			u.Idle++
		}
	}
	return u
}

// sharedInUse is how many connections that speak HTTP/2 have an exchange.
func (s *site) sharedInUse() (n int) {
	for _, h := range s.shared {
		if h.conn.InFlight() > 0 {
			n++
		}
	}
	return n
}

func (u *Usage) add(v Usage) {
	u.Open += v.Open
	u.Idle += v.Idle
	u.Waiting += v.Waiting
	u.Shared += v.Shared
	u.Streams += v.Streams
	u.Opened += v.Opened
	u.Reused += v.Reused
	u.Faults.add(v.Faults)
}

// failed counts what became of an exchange.
func (l *lines) failed(s *site, err error) {
	l.mu.Lock()
	s.faults.note(problem.KindOf(err))
	l.mu.Unlock()
}
