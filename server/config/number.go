package config

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// number is what a numeric directive accepts.
type number struct {
	min, max int64
	unsigned bool // bounds and value compare as uint64: -1 is the largest value
	memory   bool // a size with an optional unit: 100mb
	percent  bool // also n%, kept as -n; min is then minus the largest percentage
	octal    bool // file permissions
}

// parse reads s and checks the bounds.
func (n number) parse(s string) (int64, error) {
	v, err := n.read(s)
	if err != nil {
		return 0, err
	}
	return v, n.check(v)
}

func (n number) read(s string) (int64, error) {
	if n.memory {
		if v, ok := ParseMemory(s); ok {
			return int64(v), nil
		}
	}
	if n.percent && strings.HasSuffix(s, "%") {
		if v, ok := parseInt(s[:len(s)-1]); ok && v >= 0 {
			return -v, nil
		}
	}
	if n.octal {
		if s == "" {
			return 0, nil
		}
		if v, err := strconv.ParseInt(strings.TrimLeft(s, " \t"), 8, 64); err == nil {
			return v, nil
		}
	}
	if !n.memory && !n.percent && !n.octal {
		if v, ok := parseInt(s); ok {
			return v, nil
		}
	}
	switch {
	case n.memory && n.percent:
		return 0, errors.New("argument must be a memory or percent value")
	case n.memory:
		return 0, errors.New("argument must be a memory value")
	case n.octal:
		return 0, errors.New("argument couldn't be parsed as an octal number")
	}
	return 0, errors.New("argument couldn't be parsed into an integer")
}

func (n number) check(v int64) error {
	switch {
	case n.unsigned:
		if uint64(v) < uint64(n.min) || uint64(v) > uint64(n.max) {
			verb := "%d"
			if n.octal {
				verb = "%o"
			}
			return fmt.Errorf("argument must be between "+verb+" and "+verb+" inclusive", uint64(n.min), uint64(n.max))
		}
	case n.percent && v < 0:
		if v < n.min {
			return fmt.Errorf("percentage argument must be less or equal to %d", -n.min)
		}
	case v < n.min || v > n.max:
		return fmt.Errorf("argument must be between %d and %d inclusive", n.min, n.max)
	}
	return nil
}

// format is the value as CONFIG GET shows it: sizes in bytes, without a unit.
func (n number) format(v int64) string {
	switch {
	case n.percent && v < 0:
		return strconv.FormatInt(-v, 10) + "%"
	case n.memory:
		return strconv.FormatUint(uint64(v), 10)
	case n.octal:
		return strconv.FormatUint(uint64(v), 8)
	}
	return strconv.FormatInt(v, 10)
}

// formatForFile is the value as CONFIG REWRITE writes it: sizes in the largest unit that divides them.
func (n number) formatForFile(v int64) string {
	if n.memory && (!n.percent || v >= 0) {
		return FormatMemory(uint64(v))
	}
	return n.format(v)
}

// parseInt reads a decimal number as Redis's integer directives want it: no blanks, no plus sign, no leading zeros.
func parseInt(s string) (int64, bool) {
	digits := strings.TrimPrefix(s, "-")
	if s == "0" {
		return 0, true
	}
	if digits == "" || digits[0] < '1' || digits[0] > '9' {
		return 0, false
	}
	v, err := strconv.ParseInt(s, 10, 64)
	return v, err == nil
}

// ParseMemory reads a size: decimal digits and one of the units b, k (1000), kb (1024), m, mb, g, gb in any case.
// No digits at all are 0, and digits beyond 64 bits are the largest size, as in Redis; a size that only the unit
// carries beyond 64 bits is refused, where Redis would wrap around.
func ParseMemory(s string) (bytes uint64, ok bool) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	var unit uint64
	switch strings.ToLower(s[i:]) {
	case "", "b":
		unit = 1
	case "k":
		unit = 1000
	case "kb":
		unit = 1 << 10
	case "m":
		unit = 1000 * 1000
	case "mb":
		unit = 1 << 20
	case "g":
		unit = 1000 * 1000 * 1000
	case "gb":
		unit = 1 << 30
	default:
		return 0, false
	}
	if i >= 128 {
		return 0, false
	}
	var v uint64
	if i > 0 {
		var err error
		if v, err = strconv.ParseUint(s[:i], 10, 64); err != nil {
			v = math.MaxUint64
		}
	}
	hi, lo := bits.Mul64(v, unit)
	return lo, hi == 0
}

// FormatMemory is a size with the largest unit that divides it: 1048576 is 1mb, 1000 is 1000.
func FormatMemory(bytes uint64) string {
	for _, u := range [...]struct {
		shift int
		name  string
	}{{30, "gb"}, {20, "mb"}, {10, "kb"}} {
		if bytes != 0 && bytes&(1<<u.shift-1) == 0 {
			return strconv.FormatUint(bytes>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatUint(bytes, 10)
}
