package config

import "strings"

// Source is where a configuration is read from, in this order: what comes later wins.
type Source struct {
	File    string // path, "" for none
	Stdin   bool   // "-": standard input follows the file
	Options string // lines made of the command line
}

// ParseArgs reads a command line as redis-server does, without the program's name:
//
//	[FILE] [-] [--directive value ...]...
//
// An option takes all that follows up to the next argument with two dashes; one that directly follows the option's
// name is its value, dashes or not: --proc-title-template --x sets "--x". Name and value may stand in one argument:
// "--port 7000". A --save without a value turns snapshots off, and --cache is short for --cache-mode yes. "-" may be the first or the last argument.
//
//	redis.conf --port 7000 --save 60 1000  ->  {File: "redis.conf", Options: `port "7000" ` + "\n" + `save "60" "1000" `}
func ParseArgs(args []string) Source {
	var src Source
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		src.File = args[0]
		args = args[1:]
	}
	first := src.File == ""
	var options strings.Builder
	complete := true // the last option has its value, so that two dashes start another
	for i, arg := range args {
		last := i == len(args)-1
		switch {
		case arg == "-" && (first && i == 0 || last):
			src.Stdin = true
		case complete && strings.HasPrefix(arg, "--"):
			if options.Len() > 0 {
				options.WriteByte('\n')
			}
			if strings.EqualFold(arg, "--cache") {
				options.WriteString("cache-mode yes ")
				continue
			}
			options.WriteString(arg[2:] + " ")
			words, _ := SplitArgs(arg)
			complete = len(words) != 1
			if bareSave := strings.EqualFold(arg, "--save"); bareSave && (last || strings.HasPrefix(args[i+1], "--")) {
				options.WriteString(`""`)
				complete = true
			}
		default:
			options.WriteString(Quote(arg) + " ")
			complete = true
		}
	}
	src.Options = options.String()
	return src
}
