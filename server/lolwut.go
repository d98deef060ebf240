package server

import "strings"

// The picture of LOLWUT: a larder of three shelves, stocked by chance with jars, some of them half eaten, and a
// mouse.

const (
	shelfWidth  = 56
	shelfHeight = 5
	shelves     = 3
)

// drawLarder draws one. rnd is where chance comes from.
func drawLarder(rnd func() uint64) string {
	below := func(n int) int { return int(rnd() % uint64(n)) }
	var b strings.Builder
	edge := "+" + strings.Repeat("-", shelfWidth) + "+\n"
	b.WriteString(edge)
	mouse := below(shelves)
	for shelf := range shelves {
		rows := make([][]byte, shelfHeight)
		for i := range rows {
			rows[i] = []byte(strings.Repeat(" ", shelfWidth))
		}
		x := 1 + below(3)
		for x+4 < shelfWidth-8 {
			width, height := 4+below(4), 3+below(shelfHeight-2)
			if x+width > shelfWidth-8 {
				break
			}
			drawJar(rows, x, width, height, 1+below(height-1), `:o%*"~`[below(6)])
			x += width + 1 + below(3)
		}
		if shelf == mouse {
			copy(rows[shelfHeight-2][shelfWidth-7:], `()-().`)
			copy(rows[shelfHeight-1][shelfWidth-7:], ` \"/~~`)
		}
		for _, row := range rows {
			b.WriteString("|" + string(row) + "|\n")
		}
		b.WriteString(edge)
	}
	return b.String()
}

// drawJar draws a jar that stands on the lowest row: lid, walls, and so many rows of what is in it.
func drawJar(rows [][]byte, x, width, height, full int, stuff byte) {
	top := shelfHeight - height
	for y := top; y < shelfHeight; y++ {
		for i := x; i < x+width; i++ {
			c := byte(' ')
			switch {
			case y == top && i > x && i < x+width-1:
				c = '_'
			case y == top:
			case i == x || i == x+width-1:
				c = '|'
			case y >= shelfHeight-full:
				c = stuff
			}
			rows[y][i] = c
		}
	}
}
