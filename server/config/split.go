package config

import "larder/datatypes/words"

var errUnbalanced = wording("Unbalanced quotes in configuration line")

// SplitArgs cuts a line into arguments as Redis does for its configuration file, see package words. It fails on an unclosed
// quote and on text glued to a closing one.
func SplitArgs(line string) ([]string, error) {
	args, ok := words.Split(line)
	if !ok {
		return nil, errUnbalanced
	}
	return args, nil
}

// Quote is the inverse of SplitArgs for one argument: double quotes around it, unprintable bytes as \xHH.
func Quote(s string) string { return words.Quote(s) }
