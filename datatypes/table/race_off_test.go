//go:build !race

package table

const share = 1
