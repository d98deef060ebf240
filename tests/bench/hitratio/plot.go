package main

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"os"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Sizes of a plot, in pixels: one panel for each trace, in rows of panelsInRow, and the legend below.
const (
	panelsInRow           = 3
	panelWide, panelHigh  = 460, 300
	marginLeft, marginTop = 48, 28
	marginRight           = 16
	marginBottom          = 36
	legendLine            = 16
)

var (
	ink   = color.RGBA{40, 40, 40, 255}
	faint = color.RGBA{225, 225, 225, 255}
	inks  = []color.RGBA{
		{31, 119, 180, 255}, {174, 199, 232, 255}, {44, 160, 44, 255}, {152, 223, 138, 255}, {148, 103, 189, 255},
		{140, 86, 75, 255}, {188, 189, 34, 255}, {214, 39, 40, 255}, {255, 127, 14, 255}, {23, 190, 207, 255},
	}
)

// plot draws the hit ratio over the size of the cache, for each trace.
func plot(path string, cells []*cell, columns []string) error {
	var traces []string
	byTrace := map[string][]*cell{}
	for _, c := range cells {
		if byTrace[c.Trace] == nil {
			traces = append(traces, c.Trace)
		}
		byTrace[c.Trace] = append(byTrace[c.Trace], c)
	}
	rows := (len(traces) + panelsInRow - 1) / panelsInRow
	wide := min(len(traces), panelsInRow) * panelWide
	img := image.NewRGBA(image.Rect(0, 0, wide, rows*panelHigh+legendLine*(len(columns)+1)))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for i, name := range traces {
		panel(img, image.Pt(i%panelsInRow*panelWide, i/panelsInRow*panelHigh), name, byTrace[name], columns)
	}
	for i, name := range columns {
		y := rows*panelHigh + (i+1)*legendLine
		line(img, marginLeft, y-4, marginLeft+30, y-4, columnInk(columns, i), 2)
		write(img, marginLeft+40, y, name)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, img); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func columnInk(columns []string, i int) color.RGBA {
	if columns[i] == best {
		return ink
	}
	return inks[i%len(inks)]
}

func panel(img *image.RGBA, at image.Point, name string, cells []*cell, columns []string) {
	left, right := at.X+marginLeft, at.X+panelWide-marginRight
	top, bottom := at.Y+marginTop, at.Y+panelHigh-marginBottom
	write(img, left, at.Y+marginTop-8, name)
	low, high := 100.0, 0.0
	for _, c := range cells {
		for _, n := range columns {
			low, high = min(low, c.Hits[n]), max(high, c.Hits[n])
		}
	}
	low, high = math.Floor(low/10)*10, math.Ceil(high/10)*10
	if high == low {
		high += 10
	}
	first, last := math.Log(cells[0].Share), math.Log(cells[len(cells)-1].Share)
	if last == first {
		first, last = first-1, last+1
	}
	x := func(share float64) int { return left + int(float64(right-left)*(math.Log(share)-first)/(last-first)) }
	y := func(ratio float64) int { return bottom - int(float64(bottom-top)*(ratio-low)/(high-low)) }
	step := 10.0
	if high-low > 60 {
		step = 20
	}
	for v := low; v <= high; v += step {
		line(img, left, y(v), right, y(v), faint, 1)
		write(img, at.X+8, y(v)+4, fmt.Sprintf("%3.0f%%", v))
	}
	line(img, left, bottom, right, bottom, ink, 1)
	line(img, left, top, left, bottom, ink, 1)
	for _, c := range cells {
		line(img, x(c.Share), bottom, x(c.Share), bottom+4, ink, 1)
		write(img, x(c.Share)-10, bottom+18, fmt.Sprintf("%g%%", c.Share))
	}
	for i, n := range columns {
		for k := range cells {
			here := image.Pt(x(cells[k].Share), y(cells[k].Hits[n]))
			draw.Draw(img, image.Rect(here.X-2, here.Y-2, here.X+3, here.Y+3), image.NewUniform(columnInk(columns, i)), image.Point{}, draw.Src)
			if k > 0 {
				line(img, x(cells[k-1].Share), y(cells[k-1].Hits[n]), here.X, here.Y, columnInk(columns, i), 2)
			}
		}
	}
}

// line draws a line of the given width.
func line(img *image.RGBA, x0, y0, x1, y1 int, c color.RGBA, width int) {
	n := max(abs(x1-x0), abs(y1-y0), 1)
	for i := range n + 1 {
		x, y := x0+(x1-x0)*i/n, y0+(y1-y0)*i/n
		for d := range width {
			if abs(x1-x0) > abs(y1-y0) {
				img.SetRGBA(x, y+d, c)
			} else {
				img.SetRGBA(x+d, y, c)
			}
		}
	}
}

func abs(n int) int { return max(n, -n) }

func write(img *image.RGBA, x, y int, text string) {
	d := font.Drawer{Dst: img, Src: image.NewUniform(ink), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(text)
}
