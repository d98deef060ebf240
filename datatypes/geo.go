package datatypes

import (
	"math"
)

// Places on earth as scores of a sorted set, as Redis keeps them: a geohash of 26 bits of longitude and 26 of latitude,
// interleaved, latitude in the even bits. 52 bits are exact in a float64.
//
// Longitudes go from -180 to 180, latitudes from -85.05112878 to 85.05112878, the part of the earth that a Mercator
// map shows. Palermo, 13.361389 E 38.115556 N:
//
//	longitude (13.361389+180)/360 * 2^26          = 36045175 = 0x2260177
//	latitude  (38.115556+85.0511...)/170.1 * 2^26 = 48591808 = 0x2e573c0
//	score     interleaved                         = 3479099956230698
const (
	GeoStepMax = 26 // bits of each coordinate in a score

	GeoLonMin, GeoLonMax = -180.0, 180.0
	GeoLatMin, GeoLatMax = -85.05112878, 85.05112878

	earthRadius_m = 6372797.560856
	mercatorMax_m = 20037726.37

	tiny = 1e-9 // degrees
)

// GeoCell is a rectangle of a grid that has 2^Step by 2^Step of them: Bits is its interleaved place.
type GeoCell struct {
	Bits uint64
	Step uint
}

// GeoArea is the extent of a cell.
type GeoArea struct{ LonMin, LonMax, LatMin, LatMax float64 }

// spread puts the 32 bits of x into the even bits of the result.
func spread(x uint32) uint64 {
	v := uint64(x)
	v = (v | v<<16) & 0x0000ffff0000ffff
	v = (v | v<<8) & 0x00ff00ff00ff00ff
	v = (v | v<<4) & 0x0f0f0f0f0f0f0f0f
	v = (v | v<<2) & 0x3333333333333333
	return (v | v<<1) & 0x5555555555555555
}

// squash collects the even bits of v.
func squash(v uint64) uint32 {
	v &= 0x5555555555555555
	v = (v | v>>1) & 0x3333333333333333
	v = (v | v>>2) & 0x0f0f0f0f0f0f0f0f
	v = (v | v>>4) & 0x00ff00ff00ff00ff
	v = (v | v>>8) & 0x0000ffff0000ffff
	return uint32(v | v>>16)
}

// GeoValid tells whether a place can be encoded.
func GeoValid(lon, lat float64) bool {
	return lon >= GeoLonMin && lon <= GeoLonMax && lat >= GeoLatMin && lat <= GeoLatMax
}

// geoEncode is the cell of a grid that a place is in, the latitudes going from latMin to latMax.
func geoEncode(lon, lat, latMin, latMax float64, step uint) GeoCell {
	scale := float64(uint64(1) << step)
	y := (lat - latMin) / (latMax - latMin) * scale
	x := (lon - GeoLonMin) / (GeoLonMax - GeoLonMin) * scale
	return GeoCell{Bits: spread(uint32(y)) | spread(uint32(x))<<1, Step: step}
}

// GeoEncode is the cell that a place is in.
func GeoEncode(lon, lat float64, step uint) GeoCell {
	return geoEncode(lon, lat, GeoLatMin, GeoLatMax, step)
}

// GeoScore is the score of a place.
func GeoScore(lon, lat float64) float64 { return float64(GeoEncode(lon, lat, GeoStepMax).Bits) }

// Area is the extent of a cell.
func (c GeoCell) Area() GeoArea {
	y, x := float64(squash(c.Bits)), float64(squash(c.Bits>>1))
	scale := float64(uint64(1) << c.Step)
	const lonSpan, latSpan = GeoLonMax - GeoLonMin, GeoLatMax - GeoLatMin
	return GeoArea{
		LonMin: GeoLonMin + x/scale*lonSpan, LonMax: GeoLonMin + (x+1)/scale*lonSpan,
		LatMin: GeoLatMin + y/scale*latSpan, LatMax: GeoLatMin + (y+1)/scale*latSpan,
	}
}

// GeoPosition is the place that a score stands for: the middle of its cell.
func GeoPosition(score float64) (lon, lat float64) {
	a := GeoCell{Bits: uint64(score), Step: GeoStepMax}.Area()
	lon = min(max((a.LonMin+a.LonMax)/2, GeoLonMin), GeoLonMax)
	lat = min(max((a.LatMin+a.LatMax)/2, GeoLatMin), GeoLatMax)
	return lon, lat
}

// Scores are the scores of the places in a cell: from low on, below high.
func (c GeoCell) Scores() (low, high float64) {
	shift := 2 * (GeoStepMax - c.Step)
	return float64(c.Bits << shift), float64((c.Bits + 1) << shift)
}

// move is the neighbour dx cells to the east and dy to the north, around the edges of the map. A place on the edge
// itself is in a cell beyond it, and stays there along the axis that it is not moved on.
func (c GeoCell) move(dx, dy int32) GeoCell {
	mask := uint32(1)<<c.Step - 1
	y, x := squash(c.Bits), squash(c.Bits>>1)
	if dy != 0 {
		y = (y + uint32(dy)) & mask
	}
	if dx != 0 {
		x = (x + uint32(dx)) & mask
	}
	return GeoCell{Bits: spread(y) | spread(x)<<1, Step: c.Step}
}

func radians(deg float64) float64 { return deg * (math.Pi / 180) }
func degrees(rad float64) float64 { return rad / (math.Pi / 180) }

// GeoDistance is the length in meters of the great circle between two places.
func GeoDistance(lon1, lat1, lon2, lat2 float64) float64 {
	v := math.Sin((radians(lon2) - radians(lon1)) / 2)
	if v == 0 {
		return latDistance(lat1, lat2)
	}
	lat1r, lat2r := radians(lat1), radians(lat2)
	u := math.Sin((lat2r - lat1r) / 2)
	a := u*u + math.Cos(lat1r)*math.Cos(lat2r)*v*v
	return 2 * earthRadius_m * math.Asin(math.Sqrt(a))
}

func latDistance(lat1, lat2 float64) float64 {
	return earthRadius_m * math.Abs(radians(lat2)-radians(lat1))
}

// GeoShape is a circle, or with Width_m not 0 a box whose sides point north and east, around a place.
type GeoShape struct {
	Lon, Lat          float64
	Radius_m          float64
	Box               bool
	Width_m, Height_m float64
	Polygon           []GeoPlace // see SetPolygon; nil: one of the others
}

// GeoPlace is a place on earth, in degrees.
type GeoPlace struct{ Lon, Lat float64 }

// SetPolygon makes the shape the area within the lines from each of the corners, three at least, to the next one, and
// from the last to the first, as they run on a map with straight meridians and parallels. What the lines go around an even
// number of times is outside. The middle is that of the corners on the sphere. The slice is kept.
func (s *GeoShape) SetPolygon(corners []GeoPlace) {
	s.Polygon = corners
	var x, y, z float64
	for _, c := range corners {
		lon, lat := radians(c.Lon), radians(c.Lat)
		x += math.Cos(lat) * math.Cos(lon)
		y += math.Cos(lat) * math.Sin(lon)
		z += math.Sin(lat)
	}
	s.Lon, s.Lat = degrees(math.Atan2(y, x)), degrees(math.Atan2(z, math.Hypot(x, y)))
}

// within tells whether a place is in the polygon: whether a line from there to the east crosses its edge an odd number of
// times.
func (s *GeoShape) within(lon, lat float64) bool {
	odd := false
	a := s.Polygon[len(s.Polygon)-1]
	for _, b := range s.Polygon {
		if (a.Lat > lat) != (b.Lat > lat) && lon < (b.Lon-a.Lon)*(lat-a.Lat)/(b.Lat-a.Lat)+a.Lon {
			odd = !odd
		}
		a = b
	}
	return odd
}

// Contains tells whether a place is in the shape, and how far in meters it is from the middle.
func (s *GeoShape) Contains(lon, lat float64) (distance_m float64, ok bool) {
	if s.Polygon != nil {
		if !s.within(lon, lat) {
			return 0, false
		}
		return GeoDistance(s.Lon, s.Lat, lon, lat), true
	}
	if s.Box {
		if latDistance(lat, s.Lat) > s.Height_m/2 || GeoDistance(lon, lat, s.Lon, lat) > s.Width_m/2 {
			return 0, false
		}
		return GeoDistance(s.Lon, s.Lat, lon, lat), true
	}
	d := GeoDistance(s.Lon, s.Lat, lon, lat)
	return d, d <= s.Radius_m
}

// bounds is the rectangle around the shape.
func (s *GeoShape) bounds() GeoArea {
	if s.Polygon != nil {
		b := GeoArea{LonMin: GeoLonMax, LonMax: GeoLonMin, LatMin: GeoLatMax, LatMax: GeoLatMin}
		for _, c := range s.Polygon {
			b.LonMin, b.LonMax = min(b.LonMin, c.Lon), max(b.LonMax, c.Lon)
			b.LatMin, b.LatMax = min(b.LatMin, c.Lat), max(b.LatMax, c.Lat)
		}
		return b
	}
	w, h := s.Radius_m, s.Radius_m
	if s.Box {
		w, h = s.Width_m/2, s.Height_m/2
	}
	dLat := degrees(h / earthRadius_m)
	edge := s.Lat + dLat // the parallel that is nearer to a pole: there the shape spans most degrees
	if s.Lat < 0 {
		edge = s.Lat - dLat
	}
	dLon := degrees(w / earthRadius_m / math.Cos(radians(edge)))
	return GeoArea{LonMin: s.Lon - dLon, LonMax: s.Lon + dLon, LatMin: s.Lat - dLat, LatMax: s.Lat + dLat}
}

// step is how fine the grid is whose cells are about as large as the shape.
func (s *GeoShape) step() uint {
	r := s.Radius_m
	if s.Box {
		r = math.Sqrt(s.Width_m/2*(s.Width_m/2) + s.Height_m/2*(s.Height_m/2))
	}
	for _, c := range s.Polygon {
		r = max(r, GeoDistance(s.Lon, s.Lat, c.Lon, c.Lat))
	}
	if r == 0 {
		return GeoStepMax
	}
	step := 1
	for r < mercatorMax_m {
		r *= 2
		step++
	}
	step -= 2
	if math.Abs(s.Lat) > 66 { // cells are narrow near the poles
		step--
		if math.Abs(s.Lat) > 80 {
			step--
		}
	}
	return uint(min(max(step, 1), GeoStepMax))
}

// reaches tells whether the cell and its eight neighbours cover an area.
func (c GeoCell) reaches(b GeoArea) bool {
	a := c.Area()
	w, h := a.LonMax-a.LonMin, a.LatMax-a.LatMin
	return a.LonMin-w <= b.LonMin && a.LonMax+w >= b.LonMax && a.LatMin-h <= b.LatMin && a.LatMax+h >= b.LatMax
}

// Cells appends the at most nine cells that cover the shape, in the order in which Redis visits them: the middle one,
// north, south, east, west, north-east, north-west, south-east, south-west.
func (s *GeoShape) Cells(dst []GeoCell) []GeoCell {
	b := s.bounds()
	step := s.step()
	lon, lat := s.Lon, s.Lat
	if s.Polygon != nil { // whose middle on the sphere may be outside of the map
		lon, lat = min(lon, GeoLonMax-tiny), min(max(lat, GeoLatMin), GeoLatMax-tiny)
	}
	mid := GeoEncode(lon, lat, step)
	for s.Polygon != nil && step > 1 && !mid.reaches(b) {
		step--
		mid = GeoEncode(lon, lat, step)
	}
	if s.Polygon == nil && step > 1 && (mid.move(0, 1).Area().LatMax < b.LatMax || mid.move(0, -1).Area().LatMin > b.LatMin ||
		mid.move(1, 0).Area().LonMax < b.LonMax || mid.move(-1, 0).Area().LonMin > b.LonMin) {
		step--
		mid = GeoEncode(lon, lat, step)
	}
	var noNorth, noSouth, noEast, noWest bool
	if step >= 2 {
		a := mid.Area()
		noSouth, noNorth = a.LatMin < b.LatMin, a.LatMax > b.LatMax
		noWest, noEast = a.LonMin < b.LonMin, a.LonMax > b.LonMax
	}
	last := GeoCell{}
	for i, d := range [9][2]int32{{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}} {
		if d[1] > 0 && noNorth || d[1] < 0 && noSouth || d[0] > 0 && noEast || d[0] < 0 && noWest {
			continue
		}
		c := mid.move(d[0], d[1])
		if i > 0 && c == last { // on a grid of few cells the neighbours are the same
			continue
		}
		last = c
		dst = append(dst, c)
	}
	return dst
}

// GeoHashText writes the standard geohash of 11 letters for the place that a score stands for. It counts latitudes
// from -90 to 90, and its last letter has only two bits of the score left.
func GeoHashText(dst []byte, score float64) []byte {
	const letters = "0123456789bcdefghjkmnpqrstuvwxyz"
	lon, lat := GeoPosition(score)
	h := geoEncode(lon, lat, -90, 90, GeoStepMax).Bits
	for i := range 11 {
		n := uint64(0)
		if i < 10 {
			n = h >> (52 - 5*(i+1)) & 31
		}
		dst = append(dst, letters[n])
	}
	return dst
}
