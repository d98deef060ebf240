package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"larder/datatypes"
	"larder/server/resp"
)

const errUnit resp.Error = "ERR unsupported unit provided. please use M, KM, FT, MI"

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
	a.Wrong(errUnit)
	return 1
}

// placeArg reads a longitude and a latitude.
func (a *Args) placeArg() (lon, lat float64) {
	lon, lat = a.Float(), a.Float()
	if !a.Bad() && !datatypes.GeoValid(lon, lat) {
		a.Wrong(resp.Error(fmt.Sprintf("ERR invalid longitude,latitude pair %f,%f", lon, lat)))
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
		if flags == datatypes.ZAddNX|datatypes.ZAddXX && a.Left()%3 == 0 {
			a.Wrong(errXXandNX)
		}
		a.Syntax()
	}
	var pairs [][]byte
	for a.More() {
		lon, lat := a.placeArg()
		if a.Bad() {
			break
		}
		pairs = append(pairs, strconv.AppendInt(nil, int64(datatypes.GeoScore(lon, lat)), 10), a.Bytes())
	}
	if !a.Done() {
		return
	}
	c.addScores(key, pairs, flags, changed)
	if !c.Failed() && c.WantEffects {
		argv := [][]byte{[]byte("ZADD"), key}
		if flags&datatypes.ZAddNX != 0 {
			argv = append(argv, []byte("NX"))
		}
		if flags&datatypes.ZAddXX != 0 {
			argv = append(argv, []byte("XX"))
		}
		c.Rewrite(append(argv, pairs...)...)
	}
}

func geodist(c *Ctx) {
	a := &c.Args
	key, m1, m2 := a.Key(), a.Bytes(), a.Bytes()
	unit := 1.0
	if a.More() {
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
	fromMember                    []byte
	withDist, withHash, withPlace bool
	count                         int64 // 0: all
	any                           bool
	asc, desc                     bool
	store                         []byte
	storeDist                     bool
}

// geoFound is a member within the shape.
type geoFound struct {
	member   []byte
	score    float64
	distance float64 // meters
}

// radiusArg reads a radius and its unit.
func (g *geoSearch) radiusArg(a *Args) {
	r := a.FloatOr("ERR need numeric radius")
	if !a.Bad() && r < 0 {
		a.Wrong("ERR radius cannot be negative")
	}
	g.unit = a.unitArg()
	g.shape.Radius_m = r * g.unit
}

func (g *geoSearch) boxArg(a *Args) {
	w := a.FloatOr("ERR need numeric width")
	h := a.FloatOr("ERR need numeric height")
	if !a.Bad() && (w < 0 || h < 0) {
		a.Wrong("ERR height or width cannot be negative")
	}
	g.unit = a.unitArg()
	g.shape.Box, g.shape.Width_m, g.shape.Height_m = true, w*g.unit, h*g.unit
}

// option reads an option that all search commands have.
func (g *geoSearch) option(a *Args, with bool) bool {
	switch {
	case with && a.Is("WITHDIST"):
		g.withDist = true
	case with && a.Is("WITHHASH"):
		g.withHash = true
	case with && a.Is("WITHCOORD"):
		g.withPlace = true
	case a.Is("ANY"):
		g.any = true
	case a.Is("ASC"):
		g.asc, g.desc = true, false
	case a.Is("DESC"):
		g.asc, g.desc = false, true
	case a.IsWith("COUNT", 1):
		if g.count = a.IntOr(resp.ErrNotInteger); !a.Bad() && g.count <= 0 {
			a.Wrong("ERR COUNT must be > 0")
		}
	default:
		return false
	}
	return true
}

// finish checks what can be checked only when all options are known.
func (g *geoSearch) finish(a *Args, name string) {
	if a.Bad() {
		return
	}
	if g.any && g.count == 0 {
		a.Wrong("ERR the ANY argument requires COUNT argument")
	}
	if g.store != nil && (g.withDist || g.withHash || g.withPlace) {
		a.Wrong(resp.Error("ERR STORE option in " + name + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options"))
	}
	if g.count > 0 && !g.any && !g.desc {
		g.asc = true // the nearest ones, unless any will do
	}
}

func georadius(byMember, mayStore bool) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		var g geoSearch
		key := a.Key()
		if byMember {
			g.fromMember = a.Bytes()
		} else {
			g.shape.Lon, g.shape.Lat = a.placeArg()
		}
		g.radiusArg(a)
		for a.More() {
			switch {
			case g.option(a, true):
			case mayStore && a.IsWith("STORE", 1):
				g.store, g.storeDist = a.Bytes(), false
			case mayStore && a.IsWith("STOREDIST", 1):
				g.store, g.storeDist = a.Bytes(), true
			default:
				a.Syntax()
			}
		}
		g.finish(a, "GEORADIUS")
		if a.Done() {
			g.run(c, key, "georadiusstore")
		}
	}
}

func geosearch(c *Ctx) { c.geoSearch(c.Args.Key(), nil, "GEOSEARCH") }

func geosearchstore(c *Ctx) {
	dst, src := c.Args.Key(), c.Args.Key()
	c.geoSearch(src, dst, "GEOSEARCHSTORE")
}

func (c *Ctx) geoSearch(key, dst []byte, name string) {
	a := &c.Args
	g := geoSearch{store: dst}
	from, by := 0, 0
	for a.More() {
		switch {
		case a.IsWith("FROMMEMBER", 1):
			g.fromMember = a.Bytes()
			from++
		case a.IsWith("FROMLONLAT", 2):
			g.shape.Lon, g.shape.Lat = a.placeArg()
			from++
		case a.IsWith("BYRADIUS", 2):
			g.radiusArg(a)
			by++
		case a.IsWith("BYBOX", 3):
			g.boxArg(a)
			by++
		case dst != nil && a.Is("STOREDIST"):
			g.storeDist = true
		case g.option(a, true):
		default:
			a.Syntax()
		}
	}
	cmd := strings.ToLower(name)
	switch {
	case from != 1:
		a.Wrong(resp.Error("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + cmd))
	case by != 1:
		a.Wrong(resp.Error("ERR exactly one of BYRADIUS and BYBOX can be specified for " + cmd))
	}
	g.finish(a, name)
	if a.Done() {
		g.run(c, key, "geosearchstore")
	}
}

func (g *geoSearch) run(c *Ctx, key []byte, event string) {
	z, ok := c.ReadZSet(key)
	if !ok {
		return
	}
	if z.Len() > 0 && g.fromMember != nil {
		score, ok := z.Score(g.fromMember)
		if !ok {
			c.Fail("ERR could not decode requested zset member")
			return
		}
		g.shape.Lon, g.shape.Lat = datatypes.GeoPosition(score)
	}
	var found []geoFound
	if z.Len() > 0 {
		found = g.search(z)
	}
	if g.asc || g.desc {
		slices.SortStableFunc(found, func(x, y geoFound) int {
			switch {
			case x.distance < y.distance == g.asc && x.distance != y.distance:
				return -1
			case x.distance != y.distance:
				return 1
			}
			return 0
		})
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

// search finds the members in the shape: those of the cells that cover it, each looked at.
func (g *geoSearch) search(z *datatypes.ZSet) (found []geoFound) {
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
			found = append(found, geoFound{member: append([]byte(nil), it.Member()...), score: it.Score(), distance: d})
			if g.any && int64(len(found)) == g.count {
				return found
			}
		}
	}
	return found
}

func (g *geoSearch) reply(c *Ctx, found []geoFound) {
	parts := 1
	for _, with := range []bool{g.withDist, g.withHash, g.withPlace} {
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
		c.Reply.Bulk(f.member)
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
		score := found[i].score
		if g.storeDist {
			score = found[i].distance / g.unit
		}
		r.z.Add(score, found[i].member, 0)
	}
	r.store(c, g.store, event)
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
