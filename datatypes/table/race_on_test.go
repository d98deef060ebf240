//go:build race

package table

// share divides the size of tests; the race detector makes them some 15 times slower.
const share = 8
