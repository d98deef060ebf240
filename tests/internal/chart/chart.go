// Package chart draws what the benches measured: lines over a horizontal axis, one panel beside the other, as a PNG or an
// SVG file.
package chart

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Panel is one system of axes.
type Panel struct {
	Title, X, Y string
	Xs          []float64 // where the horizontal axis is marked; on a logarithmic axis, if LogX
	LogX        bool
	FromZero    bool // the vertical axis begins at 0
	Lines       []Line
}

// Line is what one server or policy reached.
type Line struct {
	Name   string
	Points []Point
	Strong bool // drawn wider than the others
}

// Point is one figure.
type Point struct{ X, Y float64 }

// Size of a panel.
const (
	wide = 4.6 * vg.Inch
	high = 3.1 * vg.Inch
)

var inks = []color.Color{
	color.RGBA{214, 39, 40, 255}, color.RGBA{31, 119, 180, 255}, color.RGBA{44, 160, 44, 255}, color.RGBA{255, 127, 14, 255},
	color.RGBA{148, 103, 189, 255}, color.RGBA{140, 86, 75, 255}, color.RGBA{23, 190, 207, 255}, color.RGBA{188, 189, 34, 255},
	color.RGBA{174, 199, 232, 255}, color.RGBA{152, 223, 138, 255},
}

// Save draws the panels, perRow of them in a row, into a file whose name ends in .png or .svg. Lines of one name have one
// color in all panels; a panel with the same lines as the one before does without their names.
func Save(path string, panels []Panel, perRow int) error {
	if len(panels) == 0 || perRow < 1 {
		return fmt.Errorf("%s: nothing to draw", path)
	}
	perRow = min(perRow, len(panels))
	rows := (len(panels) + perRow - 1) / perRow
	plots := make([][]*plot.Plot, rows)
	names := map[string]int{}
	for i, p := range panels {
		drawn, err := p.plot(names, i == 0 || !p.sameLines(&panels[i-1]))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, p.Title, err)
		}
		plots[i/perRow] = append(plots[i/perRow], drawn)
	}
	for last := rows - 1; len(plots[last]) < perRow; {
		plots[last] = append(plots[last], nil)
	}
	canvas, err := newCanvas(path, wide*vg.Length(perRow), high*vg.Length(rows))
	if err != nil {
		return err
	}
	tiles := draw.Tiles{Rows: rows, Cols: perRow, PadX: vg.Millimeter * 4, PadY: vg.Millimeter * 4, PadTop: 4, PadBottom: 4, PadLeft: 4, PadRight: 12}
	for i, row := range plot.Align(plots, tiles, draw.New(canvas)) {
		for j, part := range row {
			if plots[i][j] != nil {
				plots[i][j].Draw(part)
			}
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func newCanvas(path string, w, h vg.Length) (vg.CanvasWriterTo, error) {
	switch ext := filepath.Ext(path); ext {
	case ".png":
		return vgimg.PngCanvas{Canvas: vgimg.New(w, h)}, nil
	case ".svg":
		return vgsvg.New(w, h), nil
	default:
		return nil, fmt.Errorf("%s: a chart's name ends in .png or .svg, not in %q", path, ext)
	}
}

// sameLines tells whether the names of the lines are those of another panel.
func (p *Panel) sameLines(q *Panel) bool {
	return slices.EqualFunc(p.Lines, q.Lines, func(a, b Line) bool { return a.Name == b.Name })
}

// plot draws the panel. names knows the color of each name that was drawn before.
func (p *Panel) plot(names map[string]int, legend bool) (*plot.Plot, error) {
	out := plot.New()
	out.Title.Text, out.X.Label.Text, out.Y.Label.Text = p.Title, p.X, p.Y
	out.Title.Padding = vg.Points(4)
	out.Legend.Top = true
	out.BackgroundColor = color.White
	if p.LogX {
		out.X.Scale = plot.LogScale{}
	}
	var marks plot.ConstantTicks
	for _, x := range p.Xs {
		marks = append(marks, plot.Tick{Value: x, Label: short(x)})
	}
	if marks != nil {
		out.X.Tick.Marker = marks
	}
	out.Y.Tick.Marker = shortTicks{}
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal.Color = color.Gray{225}
	out.Add(grid)
	for _, l := range p.Lines {
		points := make(plotter.XYs, len(l.Points))
		for i, at := range l.Points {
			points[i] = plotter.XY{X: at.X, Y: at.Y}
		}
		drawn, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.Name, err)
		}
		if _, known := names[l.Name]; !known {
			names[l.Name] = len(names)
		}
		ink := inks[names[l.Name]%len(inks)]
		drawn.Color, dots.Color = ink, ink
		dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(1.8)
		drawn.Width = vg.Points(1)
		if l.Strong {
			drawn.Width = vg.Points(2.2)
		}
		out.Add(drawn, dots)
		if legend {
			out.Legend.Add(l.Name, drawn)
		}
	}
	if p.FromZero {
		out.Y.Min = 0
	}
	if legend { // room for the names above the lines
		out.Y.Max += (out.Y.Max - out.Y.Min) * 0.08 * float64(len(p.Lines))
	}
	return out, nil
}

// shortTicks are the usual places with short numbers.
type shortTicks struct{}

func (shortTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = short(ticks[i].Value)
		}
	}
	return ticks
}

// short is a number with at most three digits or so: 250K, 2M, 0.25.
func short(v float64) string {
	switch {
	case v >= 1e6 || v <= -1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + "M"
	case v >= 1e4 || v <= -1e4:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + "K"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
