package metrics

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Kind is how a figure behaves.
type Kind string

const (
	Counter   Kind = "counter" // only grows, and begins with nothing when the program starts
	Gauge     Kind = "gauge"
	Durations Kind = "histogram" // how long things took
)

// Family is all figures of one name. Names follow Prometheus' conventions: snake_case, base units,
// counters end in _total.
type Family struct {
	Name, Help string
	Kind       Kind
	Samples    []Sample
	// Bounds are the upper bounds in seconds of the classic buckets of a histogram, ascending, for who
	// does not read native ones.
	Bounds []float64
}

// Sample is one figure.
type Sample struct {
	Labels       []Label
	Value        float64
	Distribution *Distribution // of a histogram, in place of Value
}

// Label tells the figures of a family apart.
type Label struct{ Name, Value string }

// Add adds a figure with its labels: name, value, name, value.
func (f *Family) Add(value float64, labels ...string) {
	f.Samples = append(f.Samples, Sample{Labels: pairs(labels), Value: value})
}

// AddDurations adds a histogram with its labels: name, value, name, value.
func (f *Family) AddDurations(d Distribution, labels ...string) {
	f.Samples = append(f.Samples, Sample{Labels: pairs(labels), Distribution: &d})
}

func pairs(labels []string) (out []Label) {
	for pair := range slices.Chunk(labels, 2) {
		out = append(out, Label{pair[0], pair[1]})
	}
	return out
}

const (
	mostSamples = 2000 // of one family
	longestText = 256  // bytes of a label's value
)

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,127}$`)

// tidy keeps what a reader would accept, and says how much it left out: names of another form, samples
// with the labels of another, and those over the bound. The rest is sorted by name and labels.
func tidy(families []Family) (kept []Family, omitted int) {
	known := map[string]int{}
	for _, f := range families {
		if !nameForm.MatchString(f.Name) || strings.Contains(f.Name, "__") {
			omitted += len(f.Samples)
			continue
		}
		i, ok := known[f.Name]
		switch {
		case !ok:
			known[f.Name] = len(kept)
			kept = append(kept, f)
		case kept[i].Kind == f.Kind:
			kept[i].Samples = append(slices.Clip(kept[i].Samples), f.Samples...)
		default:
			omitted += len(f.Samples)
		}
	}
	for i := range kept {
		before := len(kept[i].Samples)
		kept[i].Samples = tidySamples(kept[i].Samples)
		omitted += before - len(kept[i].Samples)
	}
	kept = slices.DeleteFunc(kept, func(f Family) bool { return len(f.Samples) == 0 })
	slices.SortFunc(kept, func(a, b Family) int { return cmp.Compare(a.Name, b.Name) })
	return kept, omitted
}

func tidySamples(samples []Sample) []Sample {
	out := make([]Sample, 0, len(samples))
	for _, s := range samples {
		if labels, ok := tidyLabels(s.Labels); ok {
			s.Labels = labels
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b Sample) int { return slices.CompareFunc(a.Labels, b.Labels, compareLabels) })
	out = slices.CompactFunc(out, func(a, b Sample) bool { return slices.Equal(a.Labels, b.Labels) })
	return out[:min(len(out), mostSamples)]
}

// tidyLabels sorts labels and cuts their values; false where a name is of another form or there twice.
func tidyLabels(labels []Label) (out []Label, ok bool) {
	out = slices.Clone(labels)
	for i, l := range out {
		if !nameForm.MatchString(l.Name) || strings.HasPrefix(l.Name, "__") || l.Name == "le" || l.Name == "quantile" {
			return nil, false
		}
		if len(l.Value) > longestText {
			out[i].Value = l.Value[:longestText]
		}
		out[i].Value = strings.ToValidUTF8(out[i].Value, "�")
	}
	slices.SortFunc(out, compareLabels)
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, false
		}
	}
	return out, true
}

func compareLabels(a, b Label) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
}
