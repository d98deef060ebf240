package command

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"larder/datatypes"
)

// windings is how many times, and in which direction, the edge of a polygon goes around a place, by the angles under which
// its sides are seen.
func windings(corners []datatypes.GeoPlace, lon, lat float64) int {
	sum, a := 0.0, corners[len(corners)-1]
	for _, b := range corners {
		x1, y1, x2, y2 := a.Lon-lon, a.Lat-lat, b.Lon-lon, b.Lat-lat
		sum += math.Atan2(x1*y2-x2*y1, x1*x2+y1*y2)
		a = b
	}
	return int(math.Round(sum / (2 * math.Pi)))
}

// A search in a polygon, small or as large as the map, finds just what its edge goes around an odd number of times.
func TestGeoSearchInPolygonsAgainstScan(t *testing.T) {
	l := newLab(t)
	rnd := rand.New(rand.NewPCG(2, 7))
	type place struct {
		name     string
		lon, lat float64
	}
	var places []place
	for i := range 2000 {
		p := place{name: fmt.Sprint("p", i), lon: rnd.Float64()*360 - 180, lat: rnd.Float64()*160 - 80}
		if i%2 == 0 { // half of them stand close together
			p.lon, p.lat = 10+rnd.Float64(), 50+rnd.Float64()
		}
		l.do("GEOADD", "g", p.lon, p.lat, p.name)
		p.lon, p.lat = datatypes.GeoPosition(datatypes.GeoScore(p.lon, p.lat))
		places = append(places, p)
	}
	hits := 0
	for range 400 {
		size := []float64{0.3, 5, 60, 300}[rnd.IntN(4)]
		lon, lat := 10+rnd.Float64(), 50+rnd.Float64()
		if rnd.IntN(2) == 0 {
			lon, lat = rnd.Float64()*360-180, rnd.Float64()*160-80
		}
		corners := make([]datatypes.GeoPlace, 3+rnd.IntN(9))
		words := []any{"GEOSEARCH", "g", "BYPOLYGON", len(corners)}
		for i := range corners {
			corners[i].Lon = min(max(lon+(rnd.Float64()-0.5)*size, -180), 180)
			corners[i].Lat = min(max(lat+(rnd.Float64()-0.5)*size/2, -85), 85)
			words = append(words, corners[i].Lon, corners[i].Lat)
		}
		var want, got []string
		for _, p := range places {
			if windings(corners, p.lon, p.lat)%2 != 0 {
				want = append(want, p.name)
			}
		}
		for _, w := range strings.Fields(l.do(words...)) {
			if w[0] == 'p' {
				got = append(got, w)
			}
		}
		hits += len(want)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%v finds %v, want %v", words, got, want)
		}
	}
	if hits < 5000 {
		t.Errorf("all polygons together hold %d places only", hits)
	}
}

func TestGeoSearchInPolygon(t *testing.T) {
	l := newLab(t)
	l.do("GEOADD", "g", "1", "1", "a", "2", "1.5", "b", "5", "1", "outside")
	square := []any{"GEOSEARCH", "g", "BYPOLYGON", 4, 0, 0, 4, 0, 4, 4, 0, 4}
	l.want(l.do("GEOSEARCH", "g", "FROMLONLAT", 2, 2, "BYRADIUS", 200, "km", "ASC"), append(square, "ASC")...)
	l.want(l.do("GEOSEARCH", "g", "FROMLONLAT", 2, 2, "BYRADIUS", 200, "km", "DESC", "COUNT", 1), append(square, "COUNT", 1, "DESC")...)
	l.want("*1 $1 b", append(square, "COUNT", 1)...)
	// Distances are those from the middle of the corners, in meters.
	middle := datatypes.GeoShape{}
	middle.SetPolygon([]datatypes.GeoPlace{{Lon: 0, Lat: 0}, {Lon: 4, Lat: 0}, {Lon: 4, Lat: 4}, {Lon: 0, Lat: 4}})
	l.want(l.do("GEOSEARCH", "g", "FROMLONLAT", middle.Lon, middle.Lat, "BYRADIUS", 200000, "m", "ASC", "WITHDIST"), append(square, "ASC", "WITHDIST")...)
	l.do(append([]any{"GEOSEARCHSTORE", "d"}, append(square[1:], "STOREDIST")...)...)
	l.do("GEOSEARCHSTORE", "e", "g", "FROMLONLAT", middle.Lon, middle.Lat, "BYRADIUS", 200000, "m", "STOREDIST")
	l.want(l.do("ZRANGE", "e", 0, -1, "WITHSCORES"), "ZRANGE", "d", 0, -1, "WITHSCORES")

	for words, text := range map[string]string{
		"BYPOLYGON 2 0 0 4 0":                           "GEOSEARCH BYPOLYGON must have at least 3 vertices",
		"BYPOLYGON 3 0 0 4 0":                           "GEOSEARCH BYPOLYGON must have at least 3 vertices",
		"BYPOLYGON -1 0 0 4 0 4 4":                      "GEOSEARCH BYPOLYGON must have at least 3 vertices",
		"BYPOLYGON 4 0 0 4 0 4 4":                       "syntax error",
		"BYPOLYGON 9223372036854775807 0 0 4 0 4 4":     "syntax error",
		"BYPOLYGON x 0 0 4 0 4 4":                       "value is not an integer or out of range",
		"BYPOLYGON 3 0 0 4 0 4 x":                       "value is not a valid float",
		"BYPOLYGON 3 0 0 4 0 4 89":                      "invalid longitude,latitude pair 4.000000,89.000000",
		"BYPOLYGON 3 0 0 4 0 4 4 BYBOX 4 4 km":          "syntax error",
		"BYPOLYGON 3 0 0 4 0 4 4 BYRADIUS 4 km":         "syntax error",
		"BYPOLYGON 3 0 0 4 0 4 4 FROMLONLAT 1 1":        "syntax error",
		"BYPOLYGON 3 0 0 4 0 4 4 FROMMEMBER a":          "syntax error",
		"BYPOLYGON 3 0 0 4 0 4 4 BYPOLYGON 3 0 0 1 1 1": "syntax error",
		"FROMMEMBER a BYPOLYGON 3 0 0 4 0 4 4":          "syntax error",
		"BYRADIUS 4 km BYPOLYGON 3 0 0 4 0 4 4":         "syntax error",
		"BYBOX 4 4 km BYPOLYGON 3 0 0 4 0 4 4":          "syntax error",
		"BYPOLYGON 3 0 0 4 0 4 4 ANY":                   "the ANY argument requires COUNT argument",
	} {
		argv := []any{"GEOSEARCH", "g"}
		for _, w := range strings.Fields(words) {
			argv = append(argv, w)
		}
		l.want("-ERR "+text, argv...)
	}
}
