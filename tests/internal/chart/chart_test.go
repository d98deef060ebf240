package chart

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func panels() []Panel {
	line := func(name string, ys ...float64) Line {
		l := Line{Name: name}
		for i, y := range ys {
			l.Points = append(l.Points, Point{float64(int(1) << i), y})
		}
		return l
	}
	p := Panel{Title: "Requests by connections", X: "connections", Y: "requests/s", Xs: []float64{1, 2, 4}, LogX: true, FromZero: true,
		Lines: []Line{line("larder", 1e5, 2e5, 3e5), line("redis-server", 1e5, 1e5, 1e5)}}
	return []Panel{p, p, p}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	svg, raster := filepath.Join(dir, "a.svg"), filepath.Join(dir, "a.png")
	for _, path := range []string{svg, raster} {
		if err := Save(path, panels(), 2); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "Requests by connections", "redis-server", "300K", "</svg>"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the SVG has no %q", want)
		}
	}
	data, err := os.ReadFile(raster)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() <= b.Dy() || b.Dx() < 600 {
		t.Errorf("two panels in a row take %v", b)
	}
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	for path, p := range map[string][]Panel{
		filepath.Join(dir, "a.jpg"):       panels(),
		filepath.Join(dir, "none.svg"):    nil,
		filepath.Join(dir, "no", "a.svg"): panels(),
	} {
		if err := Save(path, p, 3); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.25: "0.25", 50: "50", 9999: "9999", 10000: "10K", 250000: "250K", 2e6: "2M", 12.5e6: "12.5M", -2e6: "-2M"} {
		if got := short(v); got != want {
			t.Errorf("%g: %s, not %s", v, got, want)
		}
	}
}
