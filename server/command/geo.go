package command

import (
	"cmp"
	"slices"
	"strconv"

	"larder/datatypes"
	"larder/server/resp"
)

// unitArg reads a unit of length, as meters.
func (a *Args) unitArg() float64 {
	switch {
	case a.Is("M"):
		return 1
	case a.Is("KM"):
		return 1000
	case a.Is("FT"):
		return 0.3048
	case a.Is("MI"):
		return 1609.34
	}
	a.Wrong(resp.ErrGeoUnit)
	return 1
}

// placeArg reads a longitude and a latitude.
func (a *Args) placeArg() (lon, lat float64) {
	lon, lat = a.Float(), a.Float()
	if !a.Bad() && !datatypes.GeoValid(lon, lat) {
		a.Wrong(resp.GeoInvalidPlace(lon, lat))
	}
	return lon, lat
}

func geoadd(c *Ctx) {
	a := &c.Args
	key := a.Key()
	var flags datatypes.ZAddFlags
	changed := false
options:
	for a.More() {
		switch {
		case a.Is("NX"):
			flags |= datatypes.ZAddNX
		case a.Is("XX"):
			flags |= datatypes.ZAddXX
		case a.Is("CH"):
			changed = true
		default:
			break options
		}
	}
	if a.Left()%3 != 0 || a.Left() == 0 || flags == datatypes.ZAddNX|datatypes.ZAddXX {
		a.Syntax()
	}
	start := a.pos
	c.scores = c.scores[:0]
	for a.More() {
		lon, lat := a.placeArg()
		a.Bytes()
		if a.Bad() {
			break
		}
		c.scores = append(c.scores, datatypes.GeoScore(lon, lat))
	}
	if !a.Done() {
		return
	}
	places := a.argv[start:]
	c.addMembers(key, places, 3, flags, changed)
	if c.Failed() || !c.WantEffects {
		return
	}
	argv := [][]byte{[]byte("ZADD"), key}
	if flags&datatypes.ZAddNX != 0 {
		argv = append(argv, []byte("NX"))
	}
	if flags&datatypes.ZAddXX != 0 {
		argv = append(argv, []byte("XX"))
	}
	for i, score := range c.scores {
		argv = append(argv, strconv.AppendInt(nil, int64(score), 10), places[3*i+2])
	}
	c.Rewrite(argv...)
}

func geodist(c *Ctx) {
	a := &c.Args
	key, m1, m2 := a.Key(), a.Bytes(), a.Bytes()
	unit := 1.0
	if a.Left() > 1 {
		a.Syntax()
	} else if a.More() {
		unit = a.unitArg()
	}
	if !a.Done() {
		return
	}
	z, ok := c.ReadZSet(key)
	if !ok {
		return
	}
	s1, ok1 := z.Score(m1)
	s2, ok2 := z.Score(m2)
	if !ok1 || !ok2 {
		c.Reply.Null()
		return
	}
	lon1, lat1 := datatypes.GeoPosition(s1)
	lon2, lat2 := datatypes.GeoPosition(s2)
	c.replyDistance(datatypes.GeoDistance(lon1, lat1, lon2, lat2) / unit)
}

// replyDistance answers a length with four digits.
func (c *Ctx) replyDistance(d float64) {
	var room [48]byte
	c.Reply.Bulk(strconv.AppendFloat(room[:0], d, 'f', 4, 64))
}

func geohash(c *Ctx) {
	key, members := c.Args.Key(), c.Args.Rest()
	z, ok := c.ReadZSet(key)
	if !ok {
		return
	}
	var room [16]byte
	c.Reply.Array(len(members))
	for _, m := range members {
		if score, ok := z.Score(m); ok {
			c.Reply.Bulk(datatypes.GeoHashText(room[:0], score))
		} else {
			c.Reply.Null()
		}
	}
}

func geopos(c *Ctx) {
	key, members := c.Args.Key(), c.Args.Rest()
	z, ok := c.ReadZSet(key)
	if !ok {
		return
	}
	c.Reply.Array(len(members))
	for _, m := range members {
		if score, ok := z.Score(m); ok {
			c.replyPlace(score)
		} else {
			c.Reply.NullArray()
		}
	}
}

func (c *Ctx) replyPlace(score float64) {
	lon, lat := datatypes.GeoPosition(score)
	c.Reply.Array(2)
	c.Reply.HumanDouble(lon)
	c.Reply.HumanDouble(lat)
}

// geoSearch is what one of the search commands asks for.
type geoSearch struct {
	shape                         datatypes.GeoShape
	unit                          float64
	placed, shaped                bool // there is a centre, a shape
	withDist, withHash, withPlace bool
	count                         int64 // 0: all
	any                           bool
	asc, desc                     bool
	store                         []byte
	storeDist                     bool
}

// geoFound is a member within the shape. Its name stands in Ctx.found.
type geoFound struct {
	at, len  int
	score    float64
	distance float64 // meters
}

// radiusArg reads a radius and its unit.
func (g *geoSearch) radiusArg(a *Args) {
	r := a.FloatOr(resp.ErrGeoNeedRadius)
	if !a.Bad() && r < 0 {
		a.Wrong(resp.ErrGeoRadius)
	}
	g.unit = a.unitArg()
	g.shape.Radius_m = r * g.unit
}

func (g *geoSearch) boxArg(a *Args) {
	w := a.FloatOr(resp.ErrGeoNeedWidth)
	h := a.FloatOr(resp.ErrGeoNeedHeight)
	if !a.Bad() && (w < 0 || h < 0) {
		a.Wrong(resp.ErrGeoBox)
	}
	g.unit = a.unitArg()
	g.shape.Box, g.shape.Width_m, g.shape.Height_m = true, w*g.unit, h*g.unit
}

// polygonArg reads the corners of a polygon. Distances are in meters.
func (g *geoSearch) polygonArg(a *Args) {
	const tooFew resp.Error = "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"
	n := a.Int()
	switch {
	case a.Bad():
		return
	case n < 3 || a.Left() < 6:
		a.Wrong(tooFew)
		return
	case n > int64(a.Left()/2):
		a.Syntax()
		return
	}
	corners := make([]datatypes.GeoPlace, n)
	for i := range corners {
		corners[i].Lon, corners[i].Lat = a.placeArg()
	}
	g.shape.SetPolygon(corners)
	g.unit = 1
}

// option reads an option that all search commands have.
func (g *geoSearch) option(a *Args) bool {
	switch {
	case a.Is("WITHDIST"):
		g.withDist = true
	case a.Is("WITHHASH"):
		g.withHash = true
	case a.Is("WITHCOORD"):
		g.withPlace = true
	case a.Is("ANY"):
		g.any = true
	case a.Is("ASC"):
		g.asc, g.desc = true, false
	case a.Is("DESC"):
		g.asc, g.desc = false, true
	case a.IsWith("COUNT", 1):
		if g.count = a.IntOr(resp.ErrNotInteger); !a.Bad() && g.count <= 0 {
			a.Wrong(resp.ErrCountPositive)
		}
	default:
		return false
	}
	return true
}

// finish checks what can be checked only when all options are known. search is not GEORADIUS; storing is what stores,
// as errors call it.
func (g *geoSearch) finish(a *Args, search bool, storing string) {
	switch {
	case g.store != nil && (g.withDist || g.withHash || g.withPlace):
		a.Wrong(resp.GeoStoreOptions(storing))
	case search && !g.placed:
		a.Wrong(resp.GeoOneCentre(a.At(0)))
	case search && !g.shaped:
		a.Wrong(resp.GeoOneShape(a.At(0)))
	case g.any && g.count == 0:
		a.Wrong(resp.ErrGeoAny)
	}
	if g.count > 0 && !g.any && !g.desc {
		g.asc = true // the nearest ones, unless any will do
	}
}

// memberArg reads a member that is the centre.
func (g *geoSearch) memberArg(a *Args, z *datatypes.ZSet) {
	member := a.Bytes()
	if a.Bad() || z.Len() == 0 {
		return
	}
	score, ok := z.Score(member)
	if !ok {
		a.Wrong(resp.ErrGeoMember)
		return
	}
	g.shape.Lon, g.shape.Lat = datatypes.GeoPosition(score)
}

func georadius(byMember, mayStore bool) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		var g geoSearch
		z, ok := c.ReadZSet(a.Key())
		if !ok {
			return
		}
		switch {
		case !byMember:
			g.shape.Lon, g.shape.Lat = a.placeArg()
			g.radiusArg(a)
		case z.Len() == 0:
			a.Take(3) // nobody looks what is wrong with it
		default:
			g.memberArg(a, z)
			g.radiusArg(a)
		}
		for a.More() {
			switch {
			case g.option(a):
			case mayStore && a.IsWith("STORE", 1):
				g.store, g.storeDist = a.Bytes(), false
			case mayStore && a.IsWith("STOREDIST", 1):
				g.store, g.storeDist = a.Bytes(), true
			default:
				a.Syntax()
			}
		}
		g.finish(a, false, "STORE option in GEORADIUS")
		if a.Done() {
			g.run(c, z, "georadiusstore")
		}
	}
}

func geosearch(c *Ctx) { c.geoSearch(c.Args.Key(), nil) }

func geosearchstore(c *Ctx) {
	dst, src := c.Args.Key(), c.Args.Key()
	c.geoSearch(src, dst)
}

func (c *Ctx) geoSearch(key, dst []byte) {
	a := &c.Args
	g := geoSearch{store: dst}
	z, ok := c.ReadZSet(key)
	if !ok {
		return
	}
	member, place := false, false // which of the two the centre is
	polygon := false              // which is both
	for a.More() {
		switch {
		case polygon && (a.Is("FROMMEMBER") || a.Is("FROMLONLAT") || a.Is("BYRADIUS") || a.Is("BYBOX")):
			a.Syntax()
		case !place && a.IsWith("FROMMEMBER", 1):
			g.memberArg(a, z)
			member, g.placed = true, true
		case !member && a.IsWith("FROMLONLAT", 2):
			g.shape.Lon, g.shape.Lat = a.placeArg()
			place, g.placed = true, true
		case !g.placed && !g.shaped && a.IsWith("BYPOLYGON", 1):
			g.polygonArg(a)
			polygon, g.placed, g.shaped = true, true, true
		case !g.shape.Box && a.IsWith("BYRADIUS", 2):
			g.radiusArg(a)
			g.shaped = true
		case (g.shape.Box || !g.shaped) && a.IsWith("BYBOX", 3):
			g.boxArg(a)
			g.shaped = true
		case dst != nil && a.Is("STOREDIST"):
			g.storeDist = true
		case g.option(a):
		default:
			a.Syntax()
		}
	}
	g.finish(a, true, "GEOSEARCHSTORE")
	if a.Done() {
		g.run(c, z, "geosearchstore")
	}
}

func (g *geoSearch) run(c *Ctx, z *datatypes.ZSet, event string) {
	c.found.reset()
	if c.places = c.places[:0]; cap(c.places) > scratchKept {
		c.places = nil
	}
	if z.Len() > 0 {
		g.search(c, z)
	}
	found := c.places
	switch {
	case g.asc:
		slices.SortStableFunc(found, func(x, y geoFound) int { return cmp.Compare(x.distance, y.distance) })
	case g.desc:
		slices.SortStableFunc(found, func(x, y geoFound) int { return cmp.Compare(y.distance, x.distance) })
	}
	if g.count > 0 && int64(len(found)) > g.count {
		found = found[:g.count]
	}
	if g.store != nil {
		g.keep(c, found, event)
	} else {
		g.reply(c, found)
	}
}

// search finds the members in the shape, in c.places: those of the cells that cover it, each looked at.
func (g *geoSearch) search(c *Ctx, z *datatypes.ZSet) {
	var room [9]datatypes.GeoCell
	for _, cell := range g.shape.Cells(room[:0]) {
		low, high := cell.Scores()
		first, n := z.ScoreRanks(datatypes.ScoreRange{Min: low, Max: high, MaxEx: true})
		for it := z.Iter(first, n, false); it.Next(); {
			lon, lat := datatypes.GeoPosition(it.Score())
			d, ok := g.shape.Contains(lon, lat)
			if !ok {
				continue
			}
			member := it.Member()
			c.places = append(c.places, geoFound{at: len(c.found.buf), len: len(member), score: it.Score(), distance: d})
			c.found.buf = append(c.found.buf, member...)
			if g.any && int64(len(c.places)) == g.count {
				return
			}
		}
	}
}

// member is the name of what was found.
func (f *geoFound) member(c *Ctx) []byte { return c.found.buf[f.at:][:f.len] }

func (g *geoSearch) reply(c *Ctx, found []geoFound) {
	parts := 1
	for _, with := range [3]bool{g.withDist, g.withHash, g.withPlace} {
		if with {
			parts++
		}
	}
	c.Reply.Array(len(found))
	for i := range found {
		f := &found[i]
		if parts > 1 {
			c.Reply.Array(parts)
		}
		c.Reply.Bulk(f.member(c))
		if g.withDist {
			c.replyDistance(f.distance / g.unit)
		}
		if g.withHash {
			c.Reply.Int(int64(f.score))
		}
		if g.withPlace {
			c.replyPlace(f.score)
		}
	}
}

func (g *geoSearch) keep(c *Ctx, found []geoFound, event string) {
	r := c.newResult(g.store)
	for i := range found {
		f := &found[i]
		score := f.score
		if g.storeDist {
			lon, lat := datatypes.GeoPosition(f.score)
			score = datatypes.GeoDistanceExact(g.shape.Lon, g.shape.Lat, lon, lat) / g.unit
		}
		if !r.put(c, score, f.member(c)) {
			break
		}
	}
	r.store(c, g.store, event)
	if !c.Failed() {
		c.Dirty += max(0, len(found)-1) // each member counts as a change
	}
}

func init() {
	Register(
		row("geoadd", geoadd),
		row("geodist", geodist),
		row("geohash", geohash),
		row("geopos", geopos),
		row("geosearch", geosearch),
		row("geosearchstore", geosearchstore),
		row("georadius", georadius(false, true)),
		row("georadius_ro", georadius(false, false)),
		row("georadiusbymember", georadius(true, true)),
		row("georadiusbymember_ro", georadius(true, false)),
	)
}
