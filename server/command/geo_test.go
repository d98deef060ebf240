package command

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"larder/datatypes"
)

// A search finds just the members that are in its shape.
func TestGeoSearchAgainstScan(t *testing.T) {
	l := newLab(t)
	rnd := rand.New(rand.NewPCG(1, 9))
	type place struct {
		name     string
		lon, lat float64
	}
	var places []place
	for i := range 3000 {
		p := place{name: fmt.Sprint("p", i), lon: rnd.Float64()*360 - 180, lat: rnd.Float64()*140 - 70}
		l.do("GEOADD", "g", p.lon, p.lat, p.name)
		p.lon, p.lat = datatypes.GeoPosition(datatypes.GeoScore(p.lon, p.lat))
		places = append(places, p)
	}
	for range 400 {
		shape := datatypes.GeoShape{Lon: rnd.Float64()*360 - 180, Lat: rnd.Float64()*140 - 70}
		words := []any{"GEOSEARCH", "g", "FROMLONLAT", shape.Lon, shape.Lat}
		size := 1 + rnd.Float64()*float64([]int{300, 2000}[rnd.IntN(2)])
		if shape.Box = rnd.IntN(2) == 0; shape.Box {
			shape.Width_m, shape.Height_m = size*1000, size*700
			words = append(words, "BYBOX", size, size*0.7, "km")
		} else {
			shape.Radius_m = size * 1000
			words = append(words, "BYRADIUS", size, "km")
		}
		var want []string
		for _, p := range places {
			if _, ok := shape.Contains(p.lon, p.lat); ok {
				want = append(want, p.name)
			}
		}
		var got []string
		for _, w := range strings.Fields(l.do(words...)) {
			if w[0] == 'p' {
				got = append(got, w)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%v finds %v, want %v", words, got, want)
		}
	}
}

// Places on the edge of the map are found from where they are.
func TestGeoSearchOnTheEdge(t *testing.T) {
	l := newLab(t)
	for i, at := range [][2]string{{"180", "-78.193447"}, {"-180", "10"}, {"180", "85.05112878"}, {"0", "-85.05112878"}, {"17", "85.05112878"}} {
		l.do("DEL", "g")
		name := fmt.Sprint("m", i)
		l.want(":1", "GEOADD", "g", at[0], at[1], name)
		for _, shape := range [][]any{{"BYBOX", "200.5", "50", "ft"}, {"BYRADIUS", "10", "m"}, {"BYRADIUS", "900", "km"}} {
			l.want("*1 $2 "+name, append([]any{"GEOSEARCH", "g", "FROMMEMBER", name}, shape...)...)
		}
	}
}
