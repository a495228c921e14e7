package metrics

import (
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Gatherer makes what a function tells readable for Prometheus: it is a prometheus.Gatherer. Histograms
// are told both as native ones, which only the protobuf form of the exposition carries, and with classic
// buckets, which every form does.
type Gatherer func() []Family

// omittedName is the family that tells what the others lack.
const omittedName = "proxycache_metrics_omitted_samples"

// Gather asks the function. It never fails: what no reader would accept is left out and counted.
func (g Gatherer) Gather() ([]*dto.MetricFamily, error) {
	families, omitted := tidy(g())
	out := make([]*dto.MetricFamily, 0, len(families)+1)
	for _, f := range families {
		out = append(out, f.encode())
	}
	left := Family{
		Name: omittedName, Kind: Gauge, Samples: []Sample{{Value: float64(omitted)}},
		Help: "Figures that this answer lacks: over the bound of 2000 of a name, or not of the form that metrics have.",
	}
	return append(out, left.encode()), nil
}

func (f *Family) encode() *dto.MetricFamily {
	out := &dto.MetricFamily{Name: &f.Name, Help: &f.Help, Metric: make([]*dto.Metric, 0, len(f.Samples))}
	for i := range f.Samples {
		s := &f.Samples[i]
		m := &dto.Metric{}
		for j := range s.Labels {
			m.Label = append(m.Label, &dto.LabelPair{Name: &s.Labels[j].Name, Value: &s.Labels[j].Value})
		}
		switch f.Kind {
		case Counter:
			out.Type = dto.MetricType_COUNTER.Enum()
			m.Counter = &dto.Counter{Value: &s.Value}
		case Durations:
			out.Type = dto.MetricType_HISTOGRAM.Enum()
			m.Histogram = s.Distribution.encode(f.Bounds)
		default:
			out.Type = dto.MetricType_GAUGE.Enum()
			m.Gauge = &dto.Gauge{Value: &s.Value}
		}
		out.Metric = append(out.Metric, m)
	}
	return out
}

func (d *Distribution) encode(bounds []float64) *dto.Histogram {
	if d == nil {
		d = &Distribution{}
	}
	h := &dto.Histogram{
		SampleCount: &d.Count, SampleSum: proto.Float64(d.Sum.Seconds()),
		Schema: proto.Int32(nativeSchema), ZeroThreshold: proto.Float64(zeroThreshold),
	}
	if !d.Since.IsZero() {
		h.CreatedTimestamp = timestamppb.New(d.Since)
	}
	d.encodeClassic(h, bounds)
	d.encodeNative(h)
	return h
}

// encodeClassic puts each bucket where its middle is: a bound is exact within 0.8 %.
func (d *Distribution) encodeClassic(h *dto.Histogram, bounds []float64) {
	var below uint64
	next := 0
	for _, bound := range bounds {
		for next < len(d.Buckets) && d.Buckets[next].Middle.Seconds() <= bound {
			below += d.Buckets[next].Count
			next++
		}
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: proto.Float64(bound), CumulativeCount: proto.Uint64(below)})
	}
}

const (
	nativeSchema  = 3               // eight buckets in each power of two, each 9 % longer than the one before
	zeroThreshold = 1.0 / (1 << 30) // seconds; what took less than a nanosecond counts as nothing
)

// encodeNative says the buckets as Prometheus' native histograms have them: bucket i is what is longer
// than 2^((i-1)/8) seconds and not longer than 2^(i/8). Only those that have something are told, in
// spans, each count by its difference from the one before.
func (d *Distribution) encodeNative(h *dto.Histogram) {
	var zero, told uint64
	next := int32(0) // the index behind the last one
	for i := 0; i < len(d.Buckets); {
		if d.Buckets[i].Middle == 0 {
			zero += d.Buckets[i].Count
			i++
			continue
		}
		index, count := nativeIndex(d.Buckets[i].Middle), uint64(0)
		for ; i < len(d.Buckets) && nativeIndex(d.Buckets[i].Middle) == index; i++ {
			count += d.Buckets[i].Count
		}
		if spans := h.PositiveSpan; len(spans) > 0 && index == next {
			*spans[len(spans)-1].Length++
		} else {
			h.PositiveSpan = append(spans, &dto.BucketSpan{Offset: proto.Int32(index - next), Length: proto.Uint32(1)})
		}
		h.PositiveDelta = append(h.PositiveDelta, int64(count)-int64(told))
		next, told = index+1, count
	}
	h.ZeroCount = &zero
	if h.PositiveSpan == nil && zero == 0 { // an empty native histogram is told by an empty span
		h.PositiveSpan = []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(0)}}
	}
}

func nativeIndex(d time.Duration) int32 {
	return int32(math.Ceil(math.Log2(d.Seconds()) * (1 << nativeSchema)))
}
