package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	imagepng "image/png"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
)

// picture is a body that never changes.
type picture struct {
	kind, tag string
	data      []byte
}

func made(kind string, data []byte) picture {
	sum := sha256.Sum256(data)
	return picture{kind: kind, tag: `"` + hex.EncodeToString(sum[:8]) + `"`, data: data}
}

func (p picture) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", p.kind)
	w.Header().Set("ETag", p.tag)
	w.Header().Set("Cache-Control", "max-age=60")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.data))
}

func pngImage(w http.ResponseWriter, r *http.Request) { pngPicture().serve(w, r) }
func svgImage(w http.ResponseWriter, r *http.Request) { svgPicture().serve(w, r) }

var (
	honey = color.NRGBA{0xf2, 0xb1, 0x34, 0xff}
	amber = color.NRGBA{0xd9, 0x8a, 0x1f, 0xff}
	dark  = color.NRGBA{0x2a, 0x21, 0x14, 0xff}
)

const (
	pictureWidth, pictureHeight = 480, 320
	cellRadius                  = 36.0
)

// centres are the middles of the cells of the comb, in rows from the top.
func centres() [][2]float64 {
	var out [][2]float64
	wide, high := cellRadius*math.Sqrt(3), cellRadius*1.5
	for row := range int(pictureHeight/high) + 2 {
		for column := range int(pictureWidth/wide) + 2 {
			out = append(out, [2]float64{(float64(column) + 0.5*float64(row%2)) * wide, float64(row) * high})
		}
	}
	return out
}

// filled picks the cells that hold honey.
func filled(i int) bool { return i*i%7 < 3 }

var pngPicture = sync.OnceValue(func() picture {
	img := image.NewNRGBA(image.Rect(0, 0, pictureWidth, pictureHeight))
	cells := centres()
	for y := range pictureHeight {
		for x := range pictureWidth {
			img.SetNRGBA(x, y, colourAt(cells, float64(x)+0.5, float64(y)+0.5))
		}
	}
	var b bytes.Buffer
	if err := imagepng.Encode(&b, img); err != nil { // writing to memory does not fail
		panic(err)
	}
	return made("image/png", b.Bytes())
})

func colourAt(cells [][2]float64, x, y float64) color.NRGBA {
	nearest, i := math.MaxFloat64, 0
	for k, c := range cells {
		if d := fromCentre(x-c[0], y-c[1]); d < nearest {
			nearest, i = d, k
		}
	}
	switch {
	case nearest > cellRadius*0.93:
		return dark
	case filled(i) && nearest < cellRadius*0.8:
		return honey
	}
	return amber
}

// fromCentre is the distance in the norm whose circle is a hexagon that stands on a corner, scaled so
// that the corners of a cell are about cellRadius away.
func fromCentre(dx, dy float64) float64 {
	dx, dy = math.Abs(dx), math.Abs(dy)
	return max(dx, dx/2+dy*math.Sqrt(3)/2) * 2 / math.Sqrt(3)
}

var svgPicture = sync.OnceValue(func() picture {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="A honeycomb">`+"\n", pictureWidth, pictureHeight)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#2a2114"/>`+"\n")
	for i, c := range centres() {
		fill := "#d98a1f"
		if filled(i) {
			fill = "#f2b134"
		}
		b.WriteString(`<path d="M`)
		for corner := range 6 {
			angle := math.Pi / 3 * float64(corner)
			fmt.Fprintf(&b, "%.1f %.1f ", c[0]+0.93*cellRadius*math.Sin(angle), c[1]-0.93*cellRadius*math.Cos(angle))
		}
		fmt.Fprintf(&b, `z" fill="%s"/>`+"\n", fill)
	}
	b.WriteString("</svg>\n")
	return made("image/svg+xml", []byte(b.String()))
})
