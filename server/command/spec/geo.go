package spec

// Commands about places: sorted sets whose scores are positions.
var geoCommands = []Spec{
	{Name: "geoadd", Group: Geo, Since: "3.2.0", Arity: -5, Flags: Write | DenyOOM, Categories: CatGeo,
		Keys:       []KeySpec{key(1, RW|Update)},
		Summary:    "Adds places to a geospatial index.",
		Complexity: "O(log(N)) for each place, N the size of the index.",
		Syntax: `key@0 condition=[NX|XX]{6.2.0} [change=CH{6.2.0}] data=(longitude:double latitude:double ` +
			`member)...`},
	{Name: "geodist", Group: Geo, Since: "3.2.0", Arity: -4, Flags: ReadOnly, Categories: CatGeo,
		Keys:       []KeySpec{key(1, RO|Access)},
		Summary:    "Returns the distance between two members.",
		Complexity: "O(1)",
		Syntax:     `key@0 member1 member2 unit=[M|KM|FT|MI]`},
	{Name: "geohash", Group: Geo, Since: "3.2.0", Arity: -2, Flags: ReadOnly, Categories: CatGeo,
		Keys:       []KeySpec{key(1, RO|Access)},
		Summary:    "Returns the Geohash strings of members.",
		Complexity: "O(N) in the number of members asked for.",
		Syntax:     `key@0 [member...]`},
	{Name: "geopos", Group: Geo, Since: "3.2.0", Arity: -2, Flags: ReadOnly, Categories: CatGeo,
		Keys:       []KeySpec{key(1, RO|Access)},
		Summary:    "Returns the longitudes and latitudes of members.",
		Complexity: "O(N) in the number of members asked for.",
		Syntax:     `key@0 [member...]`},
	{Name: "georadius", Group: Geo, Since: "3.2.0", Arity: -6, Flags: Write | DenyOOM, Categories: CatGeo,
		Keys: []KeySpec{key(1, RO|Access), after("STORE", 6, OW|Update), after("STOREDIST", 6, OW|Update)},
		find: georadiusKeys(6), findFirst: true,
		Summary:    "Finds or stores the members within a distance of a place.",
		Complexity: "O(N+log(M)) for N members in the area's bounding box of M.",
		Syntax: `key@0 longitude:double latitude:double radius:double unit=(M|KM|FT|MI) [WITHCOORD] ` +
			`[WITHDIST] [WITHHASH] count-block=[COUNT count:int [ANY{6.2.0}]] order=[ASC|DESC] ` +
			`store=[STORE storekey@1/key|STOREDIST storedistkey@2/key]`,
		DeprecatedSince: "6.2.0", ReplacedBy: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"},
	{Name: "georadius_ro", Group: Geo, Since: "3.2.10", Arity: -6, Flags: ReadOnly, Categories: CatGeo,
		Keys:       []KeySpec{key(1, RO|Access)},
		Summary:    "Finds the members within a distance of a place.",
		Complexity: "O(N+log(M)) for N members in the area's bounding box of M.",
		Syntax: `key@0 longitude:double latitude:double radius:double unit=(M|KM|FT|MI) [WITHCOORD] ` +
			`[WITHDIST] [WITHHASH] count-block=[COUNT count:int [ANY{6.2.0}]] order=[ASC|DESC]`,
		DeprecatedSince: "6.2.0", ReplacedBy: "`GEOSEARCH` with the `BYRADIUS` argument"},
	{Name: "georadiusbymember", Group: Geo, Since: "3.2.0", Arity: -5,
		Flags: Write | DenyOOM, Categories: CatGeo,
		Keys: []KeySpec{key(1, RO|Access), after("STORE", 5, OW|Update), after("STOREDIST", 5, OW|Update)},
		find: georadiusKeys(5), findFirst: true,
		Summary:    "Finds or stores the members within a distance of a member.",
		Complexity: "O(N+log(M)) for N members in the area's bounding box of M.",
		Syntax: `key@0 member radius:double unit=(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] ` +
			`count-block=[COUNT count:int [ANY]] order=[ASC|DESC] store=[STORE storekey@1/key|STOREDIST ` +
			`storedistkey@2/key]`,
		DeprecatedSince: "6.2.0",
		ReplacedBy:      "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments"},
	{Name: "georadiusbymember_ro", Group: Geo, Since: "3.2.10", Arity: -5, Flags: ReadOnly, Categories: CatGeo,
		Keys:       []KeySpec{key(1, RO|Access)},
		Summary:    "Finds the members within a distance of a member.",
		Complexity: "O(N+log(M)) for N members in the area's bounding box of M.",
		Syntax: `key@0 member radius:double unit=(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] ` +
			`count-block=[COUNT count:int [ANY]] order=[ASC|DESC]`,
		DeprecatedSince: "6.2.0", ReplacedBy: "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"},
	{Name: "geosearch", Group: Geo, Since: "6.2.0", Arity: -7, Flags: ReadOnly, Categories: CatGeo,
		Keys:       []KeySpec{key(1, RO|Access)},
		Summary:    "Finds the members inside a circle, a box or a polygon.",
		Complexity: "O(N+log(M)) for N members in the area's bounding box, M of them inside.",
		Syntax: `key@0 search-type=(radius-or-box=(from=(FROMMEMBER member|FROMLONLAT fromlonlat=(longitude:double latitude:double)) ` +
			`by=(circle=(BYRADIUS radius:double unit=(M|KM|FT|MI))|box=(BYBOX width:double height:double ` +
			`unit=(M|KM|FT|MI))))|polygon=(BYPOLYGON num-vertices:int vertices=(longitude:double latitude:double)...){9.0.0}) order=[ASC|DESC] count-block=[COUNT count:int [ANY]] [WITHCOORD] ` +
			`[WITHDIST] [WITHHASH]`},
	{Name: "geosearchstore", Group: Geo, Since: "6.2.0", Arity: -8, Flags: Write | DenyOOM, Categories: CatGeo,
		Keys:       []KeySpec{key(1, OW|Update), key(2, RO|Access)},
		Summary:    "Stores the members inside a circle, a box or a polygon.",
		Complexity: "O(N+log(M)) for N members in the area's bounding box, M of them inside.",
		Syntax: `destination@0 source@1 search-type=(radius-or-box=(from=(FROMMEMBER member|FROMLONLAT fromlonlat=(longitude:double ` +
			`latitude:double)) by=(circle=(BYRADIUS radius:double unit=(M|KM|FT|MI))|box=(BYBOX ` +
			`width:double height:double unit=(M|KM|FT|MI))))|polygon=(BYPOLYGON num-vertices:int ` +
			`vertices=(longitude:double latitude:double)...){9.0.0}) order=[ASC|DESC] count-block=[COUNT ` +
			`count:int [ANY]] [STOREDIST]`},
}
